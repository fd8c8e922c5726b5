#!/usr/bin/env bash
# Tests, benchmarks and trainings on a fresh machine with a GPU, in under 25 minutes.
#
#   scripts/gpu_session.sh [PART...]        all parts, or those named
#
# Needs no network and no TensorFlow. OUT (default scripts/results/session) gets bench.json,
# keyframe_models.json, scale.json, scale.png, summary.txt and session.tar.gz with every log and
# every run's metrics.
# DATA is the folder with turtles/ and tvsum/, WEIGHTS that with published weights, FASHION_MNIST
# that with the four files; parts whose data are not there fail alone. MINUTES (24) is the time for
# all; SMOKE=1 makes trainings a few steps and leaves the large suites out.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

PYTHON=${PYTHON:-python3}
OUT=${OUT:-scripts/results/session}
for folder in shared ../shared; do
  DATA=${DATA:-$([ -d $folder/data ] && echo $folder/data)}
  WEIGHTS=${WEIGHTS:-$([ -d $folder/weights ] && echo $folder/weights)}
  if [ -z "${FASHION_MNIST:-}" ] && [ -d $folder/fashion-mnist ]; then
    export FASHION_MNIST=$PWD/$folder/fashion-mnist
  fi
done
END=$((SECONDS + ${MINUTES:-24} * 60))
WORK=$(mktemp -d)
LOGS=$WORK/session
mkdir -p "$OUT" "$LOGS"
OUT=$(cd "$OUT" && pwd)
export PYTHONPATH=".${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
export PEER_PYTHON=${PEER_PYTHON:-$(command -v "$PYTHON")} # the machine's own PyTorch
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$WORK/xla}
WANTED=" $* "

# part NAME SECONDS COMMAND...: runs it if wanted, within its limit and what is left of all.
part() {
  local name=$1 limit=$2 left=$((END - SECONDS)) begun=$SECONDS code
  shift 2
  if [ "$WANTED" != "  " ] && [[ $WANTED != *" $name "* ]]; then return 0; fi
  if [ $left -lt 20 ]; then
    echo "$name: no time left" | tee -a "$LOGS/summary.txt"
    return 0
  fi
  timeout --kill-after=10 $((limit < left ? limit : left)) "$@" >"$LOGS/$name.log" 2>&1
  code=$?
  echo "$name: $([ $code = 0 ] && echo ok || echo "FAILED ($code)") in $((SECONDS - begun)) s" |
    tee -a "$LOGS/summary.txt"
  [ $code = 0 ] || tail -n 3 "$LOGS/$name.log"
}

bench() { # bench SUITE SECONDS
  part "$1" "$2" "$PYTHON" -m scripts.bench "$1" --peer --json "$OUT/bench.json"
}

# train NAME CONFIG SECONDS OPTIONS...: a run, of which the log and the metrics are kept.
train() {
  local name=$1 config=$2 limit=$3 run=$WORK/runs/$1 file
  shift 3
  if [ -n "${SMOKE:-}" ]; then
    set -- "$@" --train.steps 4 --train.steps-per-call 1 --train.log-every 2 \
      --train.evaluate-every 4 --train.checkpoint-every 4 --optimizer.warmup-steps 1
  fi
  part "$name" "$limit" "$PYTHON" -m reid_jax train "$config" --workdir "$run" "$@"
  for file in metrics.jsonl config.json report/metrics.json; do
    if [ -f "$run/$file" ]; then cp "$run/$file" "$LOGS/$name.$(basename "$file")"; fi
  done
}

turtles() { # turtles NAME SECONDS OPTIONS...: in bfloat16, the photos in device memory
  local name=$1 limit=$2
  shift 2
  if [ -n "${SMOKE:-}" ]; then set -- "$@" --data.image-size 32 --data.batch-size 16; fi
  train "$name" "$name" "$limit" --data.source "csv:${DATA:-missing}/turtles/metadata.csv" \
    --model.dtype bfloat16 "$@"
}

{
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
  "$PYTHON" -c 'import sys, jax; print(sys.version.split()[0], "jax", jax.__version__, jax.devices())'
  "$PYTHON" -c 'import torch; print("torch", torch.__version__)' || true
} 2>&1 | tee "$LOGS/summary.txt"
if ! "$PYTHON" -c 'import flax, optax, orbax.checkpoint, chex, tyro, rich, PIL, pyarrow, matplotlib' 2>"$LOGS/imports.log"; then
  echo "cannot start: $(tail -n 1 "$LOGS/imports.log")" | tee -a "$LOGS/summary.txt"
  cp "$LOGS/summary.txt" "$OUT"
  exit 1
fi

# Operations against their references, on the device itself.
part tests_device 200 "$PYTHON" -m pytest -n0 -q tests/ops/test_distances.py tests/ops/test_triplet.py \
  tests/ops/test_batch_losses.py tests/ops/test_margin_softmax.py tests/ops/test_retrieval.py \
  tests/ops/test_blockwise_mining.py tests/ops/test_large_softmax.py
bench step 400
bench epoch 150
bench mining 150
bench head 120
if [ -z "${SMOKE:-}" ]; then
  bench retrieval 120
  bench input 90
  bench keyframes 120
  bench evaluation 300
  part keyframe_models 100 "$PYTHON" -m reid_jax models --keyframes --speed \
    --json "$OUT/keyframe_models.json"
fi
bench startup 240
part scale 150 "$PYTHON" -m reid_jax scale --json "$OUT/scale.json" --plot "$OUT/scale.png"

# The other cores run the whole of the tests while the GPU trains.
part tests_host 420 env JAX_PLATFORMS=cpu "$PYTHON" -m pytest -n 8 -q &
turtles turtles_arcface 150 --train.steps-per-call 50
turtles turtles_triplet 150 --train.steps-per-call 50
turtles turtles_siamese 120 --train.steps-per-call 50
turtles turtles_pretrained 150 --train.steps-per-call 20 \
  --model.pretrained "${WEIGHTS:-missing}/efficientnet_lite0.safetensors"
for fold in 0 1 2 3 4; do
  train "tvsum$fold" tvsum 60 --data.path "${DATA:-missing}/tvsum/tvsum.h5" \
    --data.splits "${DATA:-missing}/tvsum/splits.json" --data.fold "$fold"
done
wait
if [ -z "${SMOKE:-}" ]; then bench search 500; fi # last: it lays out 20 GB for each call

cp "$LOGS/summary.txt" "$OUT"
tar -czf "$OUT/session.tar.gz" -C "$WORK" session
rm -rf "$WORK"
echo "results: $OUT"
