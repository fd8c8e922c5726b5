#!/usr/bin/env bash
# What a GPU that is there for minutes is asked, the most valuable first.
#
#   scripts/gpu_session.sh pack first|second   gathers what has to travel in build/session, and
#                                              refuses more than 60 MiB
#   scripts/gpu_session.sh first               training steps beside PyTorch and beside the plan,
#                                              ops against references, an epoch, TVSum
#   scripts/gpu_session.sh second              mining, a head of 10^6, embedding, turtles, search
#
# Measuring takes under six minutes each, on a machine with Python, jax, flax, optax, orbax, chex
# and PyTorch; it needs no network and no TensorFlow. Every figure is written to OUT (default
# scripts/results/session) as it comes, and what fails leaves the rest running.
# DATA and WEIGHTS are where turtles/ and tvsum/ and published weights are, for pack. MINUTES (5.8)
# is the time for all; SMOKE=1 runs a few small parts on a CPU.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

PYTHON=${PYTHON:-python3}
CARRIED=build/session
MOST=60 # MiB a call

pack() { # pack first|second
  local wheels=(tyro docstring-parser shtab typeguard tensorboardX)
  [ "$1" = second ] && wheels+=(faiss-cpu)
  rm -rf $CARRIED && mkdir -p $CARRIED/wheels
  "$PYTHON" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
    --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
    --platform manylinux2014_x86_64 --dest $CARRIED/wheels "${wheels[@]}" || return 1
  "$PYTHON" -m scripts.bench.carried "$1" $CARRIED --data "${DATA:-../shared/data}" \
    --weights "${WEIGHTS:-../shared/weights}" || return 1
  if [ "$1" = first ]; then
    for name in resnet50 efficientnet_b0 resnet18 small; do
      for device in h100 h200; do
        "$PYTHON" -m reid_jax -q plan throughput_$name --device $device --identities 1000 \
          --json $CARRIED/plan_${device}_$name.json >/dev/null || return 1
      done
    done
    "$PYTHON" -c "import json, pathlib, sys; folder = pathlib.Path(sys.argv[1]); \
(folder / 'plan.json').write_text(json.dumps(sum((json.loads(f.read_text()) \
for f in sorted(folder.glob('plan_*.json'))), [])))" $CARRIED || return 1
  fi
  local size
  size=$(du -sm --apparent-size $CARRIED | cut -f1)
  echo "$CARRIED: $size MiB"
  [ "$size" -le $MOST ] || { echo "more than $MOST MiB cannot travel in one call"; return 1; }
}

if [ "${1:-}" = pack ]; then
  pack "${2:?first or second}"
  exit
fi
WHICH=${1:?first, second or pack}

OUT=${OUT:-scripts/results/session}
END=$((SECONDS + $(printf '%.0f' "$(echo "${MINUTES:-5.8} * 60" | bc 2>/dev/null || echo 348)")))
WORK=$(mktemp -d)
LOGS=$WORK/logs
mkdir -p "$OUT" "$LOGS"
OUT=$(cd "$OUT" && pwd)
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
export PEER_PYTHON=${PEER_PYTHON:-$(command -v "$PYTHON")} # the machine's own PyTorch
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$WORK/xla}
export PLAN=$PWD/$CARRIED/plan.json
if compgen -G "$CARRIED/wheels/*.whl" >/dev/null; then
  "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --upgrade \
    --target "$WORK/site" $CARRIED/wheels/*.whl && PYTHONPATH=$WORK/site:$PYTHONPATH
fi
PEER=--peer
"$PEER_PYTHON" -c 'import torch' 2>/dev/null || PEER=

# part NAME SECONDS COMMAND...: within its limit and what is left of all.
part() {
  local name=$1 limit=$2 left=$((END - SECONDS)) begun=$SECONDS code
  shift 2
  if [ $left -lt 10 ]; then
    echo "$name: no time left" | tee -a "$OUT/summary.$WHICH.txt"
    return 0
  fi
  timeout --kill-after=5 $((limit < left ? limit : left)) "$@" >"$LOGS/$name.log" 2>&1
  code=$?
  echo "$name: $([ $code = 0 ] && echo ok || echo "FAILED ($code)") in $((SECONDS - begun)) s" |
    tee -a "$OUT/summary.$WHICH.txt"
  [ $code = 0 ] || tail -n 3 "$LOGS/$name.log"
  tar -czf "$OUT/logs.$WHICH.tar.gz" -C "$WORK" logs
}

bench() { # bench SUITE SECONDS
  part "$1" "$2" "$PYTHON" -m scripts.bench "$1" $PEER --json "$OUT/bench.json"
}

train() { # train NAME SECONDS CONFIG OPTIONS...
  local name=$1 limit=$2 run=$WORK/runs/$1 file
  shift 2
  part "$name" "$limit" "$PYTHON" -m reid_jax train "$@" --workdir "$run"
  for file in metrics.jsonl config.json report/metrics.json; do
    if [ -f "$run/$file" ]; then cp "$run/$file" "$LOGS/$name.$(basename "$file")"; fi
  done
}

{
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true
  "$PYTHON" -c 'import sys, jax; print(sys.version.split()[0], "jax", jax.__version__, jax.devices())'
} 2>&1 | tee "$OUT/summary.$WHICH.txt"

case $WHICH in
first)
  if [ -n "${SMOKE:-}" ]; then
    part step 150 "$PYTHON" -c "from scripts.bench import step; from reid_jax.plan.case import Case
for row in step.run((Case('small_cnn', 16, 1, 'triplet', 16),), repeats=1): print(row)"
    train demo 150 demo --train.steps 4 --optimizer.warmup-steps 1 --data.image-size 16
  else
    bench step 190
    part tests 60 "$PYTHON" -m pytest -n 0 -q tests/ops/test_distances.py tests/ops/test_triplet.py \
      tests/ops/test_margin_softmax.py tests/ops/test_retrieval.py
    bench epoch 60
    train tvsum 60 tvsum --data.path $CARRIED/tvsum.h5 --data.splits $CARRIED/splits.json
  fi
  ;;
second)
  if [ -n "${SMOKE:-}" ]; then
    part mining 150 "$PYTHON" -c "from scripts.bench import mining
for row in mining.run({'hard': ((32, 8),)}): print(row)"
  else
    bench mining 70
    bench head 40
    bench input 40
    train turtles 110 turtles_pretrained --data.source csv:$CARRIED/turtles/metadata.csv \
      --model.pretrained $CARRIED/efficientnet_lite0.safetensors --model.dtype bfloat16
    bench retrieval 60
    [ $((END - SECONDS)) -lt 150 ] || bench search 150
  fi
  ;;
*)
  echo "$WHICH is neither first nor second"
  exit 2
  ;;
esac
rm -rf "$WORK"
echo "results: $OUT"
