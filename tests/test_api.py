"""The front door, as somebody in a notebook uses it; every example of its docstrings runs."""

import ast
import copy
import doctest
import importlib
import importlib.metadata
import inspect
import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

import reid_jax as rj
from reid_jax.api import NAMES
from reid_jax.individuals.model import TrainedModel
from reid_jax.keyframes import model as keyframes_model
from reid_jax.keyframes.model import TrainedScorer
from reid_jax.same_video import model as same_video_model
from reid_jax.same_video.model import SimilarityRun
from reid_jax.weights.frozen import FrameEncoder
from tests.paths import REPOSITORY

GLOBALS = {"rj": rj, "np": np, "jax": jax, "jnp": jnp}
MODULES = ("losses", "metrics", "mining", "models", "weights")


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """The folder of a notebook: photos, runs of each kind, published weights, a feature file."""
    folder = tmp_path_factory.mktemp("desk")
    with tarfile.open(REPOSITORY / "tests" / "fixtures" / "first_runs.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    (folder / "runs").mkdir()
    for name, run in (("individuals", "mine"), ("keyframes", "tvsum")):
        (folder / name).rename(folder / "runs" / run)
    (folder / "same_video").rename(folder / "runs" / "same_video")
    network = rj.models.create_backbone("alexnet")
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    rj.weights.save_pretrained("alexnet", variables, folder / "weights.safetensors")
    return folder


@pytest.fixture
def at_the_desk(desk, monkeypatch) -> Path:
    monkeypatch.chdir(desk)
    return desk


def public() -> dict[str, object]:
    """Everything that can be reached by name, with what it is called."""
    found = {name: getattr(rj, name) for name in rj.__all__}
    for name in MODULES:
        module = found.pop(name)
        found |= {f"{name}.{inner}": getattr(module, inner) for inner in module.__all__}
    found |= {
        "embed": TrainedModel.embed,
        "score": TrainedScorer.score,
        "similarity": SimilarityRun.similarity,
    }
    configs = found.pop("configs")
    return found | {f"configs.{name}": getattr(configs, name) for name in ("get", "names")}


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after a statement."""
    script = f"import sys\n{statement}\nimport json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_it_imports_nothing_heavy():
    heavy = {"jax", "numpy", "flax", "optax", "orbax", "PIL", "tyro", "rich", "scipy"}
    assert not loaded_by("import reid_jax") & heavy
    ours = {name for name in loaded_by("import reid_jax") if name.startswith("reid_jax.")}
    assert ours == {"reid_jax.api", "reid_jax.platforms"}


def test_a_loss_brings_neither_trainer_nor_readers_of_files():
    modules = loaded_by("import reid_jax; reid_jax.losses.triplet, reid_jax.mining.hardest")
    rooms = {name.split(".")[1] for name in modules if name.startswith("reid_jax.")}
    assert rooms == {
        "api",
        "compilations",
        "errors",
        "fields",
        "losses",
        "mining",
        "ops",
        "platforms",
    }
    assert not modules & {"orbax", "PIL", "tensorflow", "tyro"}


def test_what_a_type_checker_sees_is_what_there_is():
    assert set(NAMES) == set(rj.__all__) == set(dir(rj))
    tree = ast.parse(inspect.getsource(rj))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(checked.test) == "TYPE_CHECKING"
    seen = {}
    for node in checked.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            seen[alias.asname or alias.name] = (node.module, alias.name)
    assert set(seen) == set(rj.__all__)
    for name, (module, original) in seen.items():
        imported = importlib.import_module(module)
        there = getattr(imported, original, None) or importlib.import_module(f"{module}.{original}")
        assert there is getattr(rj, name), name


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'triplet'"):
        rj.triplet  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'lode'; did you mean load"):
        rj.lode  # noqa: B018


def test_it_says_its_version():
    assert rj.__version__ == importlib.metadata.version("reid-jax")


@pytest.mark.parametrize("name", ["triplet", "contrastive", "margin_softmax", "multi_similarity"])
def test_a_loss_takes_a_list_of_labels_and_says_that_words_are_none(name):
    def called(labels):
        z = np.eye(4, 2, dtype=np.float32)
        centers = [np.eye(2, dtype=np.float32)] if name == "margin_softmax" else []
        return getattr(rj.losses, name)(z, *centers, labels)

    assert called([0, 0, 1, 1]) == called(np.array([0, 0, 1, 1]))
    with pytest.raises(rj.UserError, match=r"labels are words.*return_inverse"):
        called(["a", "a", "b", "b"])


@pytest.mark.parametrize(("name", "thing"), public().items())
def test_a_name_has_a_docstring_whose_examples_run(name, thing, at_the_desk):
    if name == "UserError":
        return
    assert len(inspect.getdoc(thing) or "") > 40
    examples = [
        test
        for test in doctest.DocTestFinder(recurse=inspect.isclass(thing)).find(
            thing, name, globs=dict(GLOBALS)
        )
        if test.examples
    ]
    assert examples, f"{name} has no example"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in examples:
        runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_a_run_is_judged_and_compared_as_by_the_command(at_the_desk):
    facts = rj.report("runs/mine", out="judged")
    assert 0 <= facts["rank1"] <= 1
    assert (at_the_desk / "judged" / "index.html").is_file()
    with pytest.raises(rj.UserError, match="two runs"):
        rj.compare(["runs/mine"])


def test_a_configuration_is_trained_by_its_name_too():
    with pytest.raises(rj.UserError, match="did you mean demo"):
        rj.train("dmeo", workdir="x")


def test_photos_are_embedded_however_they_are_held(at_the_desk):
    model = rj.load("runs/mine")
    paths = sorted((at_the_desk / "photos").rglob("*.png"))
    expected = model.embed(rj.load_dataset("folder:photos", seed=0))
    arrays = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    for photos in (
        paths,
        [str(path) for path in paths],
        arrays,
        np.stack(arrays),
        jnp.stack(arrays),
        (Image.open(path) for path in paths),
        [paths[0], arrays[1], Image.open(paths[2]), *paths[3:]],
    ):
        embeddings = model.embed(photos)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(embeddings, expected, atol=1e-6)
    for one in (paths[0], str(paths[0]), arrays[0], Image.open(paths[0])):
        np.testing.assert_allclose(model.embed(one), expected[:1], atol=1e-6)
    for nothing in ([], np.zeros((0, 24, 24, 3), np.uint8)):
        assert model.embed(nothing).shape == (0, expected.shape[1])
    grey = np.asarray(Image.open(paths[0]).convert("L"))
    assert model.embed(grey).shape == (1, expected.shape[1])


def test_a_photo_that_cannot_be_used_is_named(at_the_desk):
    model = rj.load("runs/mine")
    with pytest.raises(rj.UserError, match=r"nobody\.jpg cannot be used.*missing"):
        model.embed(["nobody.jpg"])
    with pytest.raises(rj.UserError, match=r"float64.*must be uint8"):
        model.embed([np.ones((8, 8, 3))])
    with pytest.raises(rj.UserError, match="one or many"):
        model.embed(np.zeros((5, 8, 8), np.uint8))


@pytest.mark.parametrize(
    ("photos", "said"),
    [
        (None, "Photos are NoneType; give files"),
        (3, "Photos are int"),
        ({"a.jpg": 1}, "Photos are dict"),
        (b"a.jpg", "Photos are bytes"),
        ("folder:photos", r"is a source of photos, not a photo: rj\.load_dataset"),
        (np.ones((2, 8, 8, 3), np.float32), r"float32; it must be uint8.*\(255 \* photo\)"),
        (np.ones(4), r"shape \(4,\) are neither one"),
        (np.ones((1, 2, 8, 8, 3), np.uint8), r"shape \(1, 2, 8, 8, 3\) are neither one"),
        (np.ones((0, 0, 3), np.uint8), r"shape \(0, 0, 3\); it must be"),
    ],
)
def test_what_is_no_photo_is_refused_in_a_sentence(at_the_desk, photos, said):
    with pytest.raises(rj.UserError, match=said):
        rj.load("runs/mine").embed(photos)


def test_a_run_says_what_it_is_asked_by(at_the_desk):
    run = rj.load("runs/mine")
    with pytest.raises(rj.UserError, match=r"mine is a run .* embed\(\.\.\.\); it has no score"):
        run.score("film.mp4")
    assert not hasattr(run, "similarity")
    for name, word in (("mine", "embed"), ("tvsum", "score"), ("same_video", "similarity")):
        run = rj.load(f"runs/{name}")
        assert run.word == word
        assert callable(getattr(run, word))
        assert copy.copy(run).step == run.step
    with pytest.raises(rj.UserError, match="A video is NoneType"):
        rj.load("runs/tvsum").score(None)
    with pytest.raises(rj.UserError, match="A video is NoneType"):
        run.similarity(None, None)


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("triplet", {"margin": -1}),
        ("triplet", {"margin": float("nan")}),
        ("contrastive", {"margin": 0.0}),
        ("angular", {"angle": 61.0}),
        ("multi_similarity", {"alpha": 0.0}),
        ("multi_similarity", {"beta": -1.0}),
        ("multi_similarity", {"epsilon": -0.1}),
        ("supervised_contrastive", {"temperature": 0}),
    ],
)
def test_a_loss_refuses_options_out_of_range(loss, options):
    (name,) = options
    z, labels = jnp.eye(4), jnp.array([0, 0, 1, 1])
    with pytest.raises(rj.UserError, match=f"{name} is .*; it must be"):
        jax.jit(lambda z: getattr(rj.losses, loss)(z, labels, **options))(z)
    with pytest.raises(AssertionError, match="4 embeddings, but 3 labels"):
        jax.jit(lambda z: getattr(rj.losses, loss)(z, labels[:3]))(z)


def test_losses_of_centres_refuse_options_out_of_range():
    z, labels = jnp.eye(4), jnp.array([0, 0, 1, 1])
    for loss, more in (
        (rj.losses.margin_softmax, {}),
        (rj.losses.chunked_margin_softmax, {"chunk": 2}),
    ):
        for options in ({"margin": -0.1}, {"margin": 1.6}, {"scale": 0.0}):
            with pytest.raises(rj.UserError, match="it must be"):
                loss(z, jnp.eye(4), labels, **options, **more)


def test_numbers_that_are_none_are_never_averaged():
    z = np.random.default_rng(0).normal(size=(6, 4))
    labels = [0, 0, 1, 1, 2, 2]
    for wrong in (np.full_like(z, np.nan), np.where(z == z[1], np.nan, z)):
        with pytest.raises(rj.UserError, match="not finite"):
            rj.evaluate_retrieval(wrong, labels)
    with pytest.raises(rj.UserError, match=r"6 query embeddings, but 5"):
        rj.evaluate_retrieval(z, labels[:5])
    with pytest.raises(rj.UserError, match="each photo needs one"):
        rj.evaluate_retrieval(z, None)
    with pytest.raises(rj.UserError, match="not numbers"):
        rj.metrics.roc_auc([0.1, float("nan")], [True, False])


def test_a_generator_is_read_a_block_at_a_time(at_the_desk, monkeypatch):
    from reid_jax.data.photos import given

    monkeypatch.setattr(given, "_BLOCK", 2)
    taken: list[int] = []

    def photos():
        for place in range(5):
            taken.append(place)
            yield np.full((24, 24, 3), 10 * place, np.uint8)

    blocks = given.photo_blocks(photos(), 24, 3)
    assert next(blocks).shape == (2, 24, 24, 3)
    assert len(taken) == 2


def test_a_gallery_answers_in_values(at_the_desk):
    gallery = rj.Gallery.open("gallery", run="runs/mine")
    files = [f"photos/animal {i}/0.png" for i in (3, 5)]
    answers = gallery.identify(files)
    assert len(answers) == 2
    assert [answer.candidates[0].identity for answer in answers] == ["animal 3", "animal 5"]
    assert answers[1].path == files[1]
    assert "animal 3" in repr(answers)
    assert "embeddings" not in repr(answers), "a notebook would show the whole gallery"
    held = gallery.identify([Image.open(files[0]), np.asarray(Image.open(files[1]))])
    for answer, other in zip(answers, held, strict=True):
        assert answer.candidates == other.candidates
    mixed = gallery.identify([files[0], np.zeros((30, 30, 3), np.uint8)])
    assert [answer.path for answer in mixed] == files[:1]
    assert mixed.skipped == (("photo 1", "there is nothing to see on it, it is of one colour"),)
    assert repr(gallery) == "Gallery('gallery': 18 photos of 6 individuals)"
    assert len(gallery) == len(gallery.identities) == len(gallery.embeddings) == 18


def test_a_gallery_grows_and_shrinks(at_the_desk, tmp_path):
    gallery = rj.Gallery.build(tmp_path / "own", "folder:photos", run="runs/mine")
    assert gallery.remove(["animal 0"]) == 3
    assert gallery.individuals[0] == "animal 1"
    assert gallery.add("folder:photos").added == 3
    assert len(gallery) == 18
    with pytest.raises(rj.UserError, match="no individual nobody"):
        gallery.remove(["nobody"])


def test_films_are_scored_and_compared_as_the_commands_do(at_the_desk, tmp_path, monkeypatch):
    """Means of colours stand in for a published network: its weights are a download."""

    def encoder(width):
        def features(images):
            return np.resize(images.mean((1, 2)), (len(images), width)).astype(np.float32)

        return FrameEncoder(8, features, "colours")

    for name, colour in (("a", 40), ("b", 200)):
        (tmp_path / name).mkdir()
        for frame in range(6):
            pixels = np.full((24, 24, 3), colour, np.uint8)
            pixels[: 3 * frame] //= 2
            Image.fromarray(pixels).save(tmp_path / name / f"{frame:02}.png")
    scorer = rj.load("runs/tvsum")
    monkeypatch.setattr(keyframes_model, "encoder_of", lambda *_: encoder(scorer.width))
    scores = scorer.score(tmp_path / "a")
    assert scores.shape == (6,)
    images = np.stack([np.asarray(Image.open(tmp_path / "a" / f"{i:02}.png")) for i in range(6)])
    by_hand = scorer.score_features(encoder(scorer.width)(images[:, ::3, ::3]))
    np.testing.assert_allclose(scores, by_hand, atol=0.05)
    run = rj.load("runs/same_video")
    monkeypatch.setattr(same_video_model, "encoder_of_run", lambda _: encoder(run.width))
    same = run.similarity(tmp_path / "a", str(tmp_path / "a"))
    assert same[1:] == (1.0, True, "same video")
    assert run.similarity(tmp_path / "a", tmp_path / "b").chamfer < 1.0
    with pytest.raises(rj.UserError, match="numbers a frame"):
        run.similarity(np.zeros((4, run.width + 1), np.float32), tmp_path / "a")


def test_retrieval_with_cameras_and_a_gallery_apart():
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(40, 4)), np.arange(40) % 8
    cameras, days = rng.integers(0, 2, 40), rng.integers(0, 3, 40)
    query, rest = np.arange(15), np.arange(15, 40)

    def first_right(rows, among, *, by_camera=False, by_day=False):
        right = []
        for row in rows:
            scores = z[among] @ z[row] / np.linalg.norm(z[among], axis=1)
            out = among == row
            if by_camera:
                out |= (labels[among] == labels[row]) & (cameras[among] == cameras[row])
            if by_day:
                out |= days[among] == days[row]
            if (~out & (labels[among] == labels[row])).any():
                best = among[np.argmax(np.where(out, -np.inf, scores))]
                right.append(labels[best] == labels[row])
        return np.mean(right)

    everyone = np.arange(40)
    found = rj.evaluate_retrieval(z, labels)
    assert found["rank1"] == pytest.approx(first_right(everyone, everyone))
    found = rj.evaluate_retrieval(z, labels, cameras=cameras, encounters=days)
    expected = first_right(everyone, everyone, by_camera=True, by_day=True)
    assert found["rank1"] == pytest.approx(expected)
    found = rj.evaluate_retrieval(
        z[query],
        labels[query],
        gallery_embeddings=z[rest],
        gallery_labels=labels[rest],
        cameras=cameras[query],
        gallery_cameras=cameras[rest],
    )
    assert found["rank1"] == pytest.approx(first_right(query, rest, by_camera=True))
    for wrong in (
        {"gallery_labels": labels},
        {"gallery_cameras": cameras},
        {"gallery_embeddings": z, "gallery_labels": labels, "cameras": cameras},
    ):
        with pytest.raises(rj.UserError):
            rj.evaluate_retrieval(z, labels, **wrong)


def test_a_loop_of_ones_own_takes_what_it_needs():
    """A Flax loop with a loss, a miner, a sampler, an augmentation and an evaluation of ours."""
    labels = np.repeat(np.arange(6), 4)
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 256, (6, 8, 8, 3))
    images = np.clip(patterns[labels] + rng.normal(0, 30, (24, 8, 8, 3)), 0, 255).astype(np.uint8)

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(8)(x.reshape(len(x), -1))

    net, optimizer = Net(), optax.sgd(0.1)
    params = net.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    state = optimizer.init(params)
    spec = rj.Augmentation(brightness=0.1)

    @jax.jit
    def step(params, state, batch, who, key):
        def cost(params):
            keys = rj.example_keys(key, jnp.arange(len(batch)))
            z = net.apply(params, rj.augment(keys, batch, spec))
            pairs = rj.mining.in_batch(z, who)
            positive, _, valid = rj.mining.hardest(
                rj.mining.euclidean(z, z), pairs.positives, pairs.negatives
            )
            pull = jnp.sum(jnp.where(valid, jnp.sum((z - z[positive]) ** 2, axis=1), 0.0))
            loss, count = rj.losses.triplet(z, who, mining="hard", margin=0.3)
            return loss / jnp.maximum(count, 1.0) + 1e-3 * pull

        value, gradient = jax.value_and_grad(cost)(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    sampler = rj.IdentitySampler(labels, 3, 2, seed=0)
    for number in range(20):
        rows = sampler(number)
        key = jax.random.key(number)
        params, state, value = step(params, state, images[rows], labels[rows], key)
    z = net.apply(params, images / np.float32(255))
    assert np.isfinite(value)
    assert rj.evaluate_retrieval(z, labels)["rank1"] > 0.9


@pytest.mark.parametrize("name", rj.losses.__all__)
def test_every_loss_is_jitted_in_anyones_loop(name):
    z = jax.random.normal(jax.random.key(0), (8, 4))
    labels = jnp.arange(8, dtype=jnp.int32) // 2
    loss = getattr(rj.losses, name)
    arguments = {
        "margin_softmax": (jnp.eye(4), labels),
        "chunked_margin_softmax": (jnp.eye(4), labels),
        "proxy_anchor": (jnp.eye(4), labels),
        **dict.fromkeys(("cosine", "similarity_preserving"), (z[::-1],)),
        **dict.fromkeys(("relational_angle", "relational_distance"), (z[::-1],)),
    }.get(name, (labels,))
    if name == "margin_logits":
        assert jax.jit(loss)(z, labels // 2).shape == (8, 4)
    elif name == "feature_quality":
        assert jax.jit(loss)(z).shape == (8,)
    elif name in ("frame_features", "attention_map"):
        maps, mask = jnp.abs(z.reshape(2, 4, 4)), jnp.ones((2, 4), bool)
        assert np.isfinite(jax.jit(loss)(maps[:, :, ::-1], maps, mask)[0])
    elif name == "sample_classes":
        drawn = jax.jit(loss, static_argnums=(2, 3))(jax.random.key(0), labels, 4, 4)
        assert (drawn[0][drawn[1]] == labels).all()
    else:
        more = {"chunk": 2} if "chunked" in name else {}

        @jax.jit
        def mean(z):
            total, count = loss(z, *arguments, **more)
            return total / jnp.maximum(count, 1.0)

        assert np.isfinite(jax.value_and_grad(mean)(z)[0])


def test_a_run_is_trained_and_asked(tmp_path):
    config = rj.configs.get("demo")
    config = replace(
        config,
        data=replace(
            config.data,
            source="synthetic:12x6",
            image_size=24,
            batch_size=8,
            photos_per_identity=2,
            validation_fraction=0.0,
        ),
        model=replace(config.model, embedding_dim=8),
        train=replace(config.train, steps=4, parallel="single"),
    )
    config = replace(config, optimizer=replace(config.optimizer, warmup_steps=2))
    run = rj.train(config, workdir=tmp_path / "run")
    assert run.embed(np.zeros((1, 24, 24, 3), np.uint8)).shape == (1, 8)
    assert (tmp_path / "run" / "report" / "index.html").is_file()


SCRIPT = """
import numpy as np
import reid_jax as rj

model = rj.load("runs/mine")
z: np.ndarray = model.embed(["a.jpg", np.zeros((2, 2, 3), np.uint8)])
gallery = rj.Gallery.open("gallery")
for answer in gallery.identify(["new.jpg"]):
    name: str = answer.text
found = rj.evaluate_retrieval(z, ["a", "b"], cameras=[0, 1])
rank1: float = found["rank1"]
loss, count = rj.losses.triplet(z, np.zeros(2, np.int32), mining="hard", margin=0.3)
pairs = rj.mining.in_batch(z, np.zeros(2, np.int32))
positive, negative, valid = rj.mining.hardest(loss, pairs.positives, pairs.negatives)
auc: float = rj.metrics.roc_auc(z, z > 0)
network = rj.models.create_backbone("resnet50")
variables = rj.weights.load_pretrained("resnet50", "hub")
config = rj.configs.get("demo")
run = rj.train(config, workdir="x")
z = run.embed("a.jpg")
same: bool = rj.load("runs/same_video").similarity("a.mp4", "b.mp4").same
width, fold = rj.load("runs/tvsum").width, rj.load("runs/tvsum").config.data.fold
try:
    scores = rj.load("runs/tvsum").score("film.mp4")
except rj.UserError as error:
    print(error)
"""


@pytest.mark.exhaustive
def test_a_type_checker_passes_on_a_users_script(tmp_path):
    def check(script: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "script.py").write_text(script)
        command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports"]
        command += ["--follow-imports", "silent", "--cache-dir", str(tmp_path / "cache")]
        environment = {"MYPYPATH": str(REPOSITORY), "PATH": "/usr/bin"}
        return subprocess.run(
            [*command, str(tmp_path / "script.py")],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    done = check(SCRIPT)
    assert done.returncode == 0, done.stdout
    wrong = ("rj.losses.triplets", "rj.Gallery.open(3)", 'rj.loat("x")', 'rj.load("x").embd("a")')
    done = check("\n".join(["import reid_jax as rj", *wrong, ""]))
    assert done.stdout.count("error:") == 4, done.stdout


def test_the_package_says_that_it_is_typed():
    assert (Path(rj.__file__).parent / "py.typed").is_file()
    assert '"py.typed"' in (REPOSITORY / "pyproject.toml").read_text()
