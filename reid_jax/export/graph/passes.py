"""A graph made simpler, with the same results: BatchNorm in convolutions, no node that is none."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from reid_jax.export.graph.builder import Graph, Node

_AFFINE = ("Add", "Sub", "Mul", "Div")


class _Editor:
    """Nodes by what they make, and how often each tensor is used."""

    def __init__(self, graph: Graph):
        self.nodes = list(graph.nodes)
        self.constants = dict(graph.constants)
        self.results = {name for name, _, _ in graph.outputs}
        self.recount()

    def recount(self) -> None:
        """After nodes have come or gone."""
        self.maker = {name: node for node in self.nodes for name in node.outputs}
        self.uses = Counter(name for node in self.nodes for name in node.inputs)
        self.uses.update(self.results)

    def alone(self, name: str, operation: str) -> Node | None:
        """The node of an operation that makes a tensor which nothing else uses."""
        node = self.maker.get(name)
        fits = node is not None and node.operation == operation and self.uses[name] == 1
        return node if fits else None

    def keep(self, stem: str, array: np.ndarray) -> str:
        """A new constant."""
        name = f"{stem}_{len(self.constants)}"
        while name in self.constants:
            name += "_"
        self.constants[name] = array
        return name

    def affine(self, node: Node) -> tuple[str, np.ndarray, np.ndarray] | None:
        """What a node does to a tensor, as its name, a factor and a term; None for another node."""
        if node.operation not in _AFFINE:
            return None
        first, second = node.inputs
        constant = self.constants.get(second)
        x = first
        if constant is None and node.operation in ("Add", "Mul", "Sub"):
            constant, x = self.constants.get(first), second
        if constant is None or x in self.constants or constant.dtype.kind != "f":
            return None
        value = constant.astype(np.float64)
        one, zero = np.ones_like(value), np.zeros_like(value)
        if node.operation == "Add":
            return x, one, value
        if node.operation == "Mul":
            return x, value, zero
        if node.operation == "Div":
            return x, 1 / value, zero
        return (x, one, -value) if x == first else (x, -one, value)


def simplified(graph: Graph) -> Graph:
    """The same function in fewer nodes."""
    editor = _Editor(graph)
    steps: tuple[Callable[[_Editor], bool], ...] = (
        _without_identities,
        _swapped_with_reshapes,
        _joined_reshapes,
        _joined_transposes,
        _folded_into_convolutions,
        _joined_affine,
        _named_activations,
        _means,
        _kept_axes,
    )
    while sum(step(editor) for step in steps):
        pass
    nodes = _needed(editor)
    return replace(graph, nodes=nodes, constants=_once(nodes, editor.constants))


def _once(nodes: list[Node], constants: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The constants that nodes use, equal ones by one name: views share their network."""
    first: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    for node in nodes:
        for place, name in enumerate(node.inputs):
            if name in constants:
                array = constants[name]
                digest = hashlib.sha256(array.tobytes()).digest()
                node.inputs[place] = first.setdefault((array.dtype.str, array.shape, digest), name)
    return {name: constants[name] for name in first.values()}


def _needed(editor: _Editor) -> list[Node]:
    wanted, kept = set(editor.results), []
    for node in reversed(editor.nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _without_identities(editor: _Editor) -> bool:
    """Tensors that have two names get one; the graph's own results keep theirs."""
    before = len(editor.nodes)
    editor.nodes = _needed(editor)
    other: dict[str, str] = {}
    kept = []
    for node in editor.nodes:
        node.inputs = [other.get(name, name) for name in node.inputs]
        if node.operation == "Identity" and node.outputs[0] not in editor.results:
            other[node.outputs[0]] = node.inputs[0]
        else:
            kept.append(node)
    editor.nodes = kept
    editor.recount()
    for node in list(editor.nodes):
        name = node.inputs[0]
        source = editor.maker.get(name) if node.operation == "Identity" else None
        if source is not None and editor.uses[name] == 1 and name not in editor.results:
            source.outputs[source.outputs.index(name)] = node.outputs[0]
            editor.nodes = [each for each in editor.nodes if each is not node]
    editor.recount()
    return len(editor.nodes) != before


def _joined_reshapes(editor: _Editor) -> bool:
    """Of two in a row the second says all, unless it copies a size of its input (0)."""
    changed = False
    for node in editor.nodes:
        if node.operation != "Reshape":
            continue
        before = editor.maker.get(node.inputs[0])
        if before is not None and before.operation in ("Reshape", "Unsqueeze", "Squeeze"):
            target = editor.constants.get(node.inputs[1])
            if target is not None and 0 not in target:
                node.inputs[0] = before.inputs[0]
                changed = True
    if changed:
        editor.recount()
    return changed


def _swapped_with_reshapes(editor: _Editor) -> bool:
    """A number that scales a tensor does so before a reshape, where it meets the sum."""
    for node in editor.nodes:
        found = editor.affine(node)
        if found is None or node.operation not in ("Mul", "Div") or found[1].size != 1:
            continue
        before = editor.maker.get(found[0])
        if before is None or before.operation not in ("Reshape", "Unsqueeze"):
            continue
        if editor.uses[found[0]] != 1 or before.outputs[0] in editor.results:
            continue
        dtype = next(
            editor.constants[name].dtype for name in node.inputs if name in editor.constants
        )
        middle = f"{node.outputs[0]}_flat"
        factor = editor.keep("factor", found[1].reshape(()).astype(dtype))
        scaled = Node("Mul", [before.inputs[0], factor], [middle], {}, node.layer)
        shaped = replace(before, inputs=[middle, *before.inputs[1:]], outputs=node.outputs)
        place = editor.nodes.index(node)
        editor.nodes[place : place + 1] = [scaled, shaped]
        editor.nodes = [each for each in editor.nodes if each is not before]
        editor.recount()
        return True
    return False


def _joined_transposes(editor: _Editor) -> bool:
    """Of two in a row one is left, or none."""
    changed = False
    for node in editor.nodes:
        if node.operation != "Transpose":
            continue
        before = editor.maker.get(node.inputs[0])
        if before is not None and before.operation == "Transpose":
            perm = [before.attributes["perm"][axis] for axis in node.attributes["perm"]]
            node.inputs[0], node.attributes = before.inputs[0], {"perm": perm}
            changed = True
        if node.attributes.get("perm") == sorted(node.attributes.get("perm", [])):
            node.operation, node.attributes = "Identity", {}
    if changed:
        editor.recount()
    return changed


def _folded_into_convolutions(editor: _Editor) -> bool:
    """A factor and a term for each channel behind a convolution become its kernel and bias."""
    changed, gone = False, []
    for node in editor.nodes:
        found = editor.affine(node)
        if found is None or (conv := editor.alone(found[0], "Conv")) is None:
            continue
        kernel = editor.constants.get(conv.inputs[1])
        if kernel is None or (len(conv.inputs) > 2 and conv.inputs[2] not in editor.constants):
            continue
        factor, term = (_per_channel(each, kernel) for each in found[1:])
        if factor is None or term is None:
            continue
        bias = editor.constants[conv.inputs[2]] if len(conv.inputs) > 2 else np.zeros(len(kernel))
        scaled = kernel.astype(np.float64) * factor.reshape(-1, *(1,) * (kernel.ndim - 1))
        conv.inputs[1:] = [
            editor.keep("kernel", scaled.astype(kernel.dtype)),
            editor.keep("bias", (bias * factor + term).astype(kernel.dtype)),
        ]
        conv.outputs = node.outputs
        gone.append(id(node))
        editor.maker[node.outputs[0]] = conv
        changed = True
    editor.nodes = [node for node in editor.nodes if id(node) not in gone]
    editor.recount()
    return changed


def _per_channel(value: np.ndarray, kernel: np.ndarray) -> np.ndarray | None:
    """(C,) of what is broadcast over a convolution's result (B, C, ...); None for anything else."""
    if value.size == 1:
        return np.full(len(kernel), value.reshape(()))
    fits = value.ndim == kernel.ndim and value.shape[1] == value.size == len(kernel)
    return value.reshape(-1) if fits else None


def _joined_affine(editor: _Editor) -> bool:
    """A chain of products and sums with constants becomes one product and one sum."""
    for node in editor.nodes:
        last = editor.affine(node)
        if last is None or node.operation not in ("Add", "Sub", "Mul", "Div"):
            continue
        chain, found = [node], last
        while True:
            before = editor.maker.get(found[0])
            inner = None if before is None else editor.affine(before)
            if before is None or inner is None or editor.uses[found[0]] != 1:
                break
            chain.append(before)
            found = inner[0], inner[1] * found[1], inner[2] * found[1] + found[2]
        plain = [each.operation for each in chain[::-1]]
        if len(chain) < 2 or plain == ["Mul", "Add"]:
            continue
        dtype = next(
            editor.constants[name].dtype for name in node.inputs if name in editor.constants
        )
        factor, term = (_narrow(each).astype(dtype) for each in found[1:])
        place = editor.nodes.index(node)
        middle = f"{node.outputs[0]}_scaled"
        new = [Node("Mul", [found[0], editor.keep("factor", factor)], [middle], {}, node.layer)]
        if np.any(term):
            inputs = [middle, editor.keep("term", term)]
            new.append(Node("Add", inputs, node.outputs, {}, node.layer))
        else:
            new[0].outputs = node.outputs
        if not np.any(factor != 1) and len(new) == 2:
            new = [replace(new[1], inputs=[found[0], new[1].inputs[1]])]
        if len(new) >= len(chain) and plain not in (["Sub", "Mul"], ["Add", "Mul"]):
            continue
        editor.nodes[place : place + 1] = new
        editor.nodes = [each for each in editor.nodes if not any(each is c for c in chain[1:])]
        editor.recount()
        return True
    return False


def _narrow(value: np.ndarray) -> np.ndarray:
    """One number in the place of many equal ones."""
    return (
        value.reshape(-1)[:1].reshape((1,) * value.ndim)
        if np.all(value == value.flat[0])
        else value
    )


def _named_activations(editor: _Editor) -> bool:
    """Max(x, 0) is Relu, and Min of that Clip, which engines put into the convolution before."""
    changed = False
    for node in editor.nodes:
        if node.operation not in ("Max", "Min") or len(node.inputs) != 2:
            continue
        x, bound = node.inputs
        if bound not in editor.constants:
            x, bound = bound, x
        value = editor.constants.get(bound)
        if value is None or x in editor.constants or value.size != 1 or value.dtype.kind != "f":
            continue
        number = value.reshape(())
        if np.isinf(number) and (number < 0) == (node.operation == "Max"):
            node.operation, node.inputs = "Identity", [x]
            changed = True
        elif node.operation == "Max" and number == 0:
            node.operation, node.inputs = "Relu", [x]
            changed = True
        elif node.operation == "Min" and (relu := editor.alone(x, "Relu")) is not None:
            zero = editor.keep("zero", np.zeros((), value.dtype))
            node.operation = "Clip"
            node.inputs = [relu.inputs[0], zero, editor.keep("most", number)]
            changed = True
    if changed:
        editor.recount()
    return changed


def _means(editor: _Editor) -> bool:
    """A sum of so many numbers, divided by their number, is their mean."""
    for node in editor.nodes:
        found = editor.affine(node)
        if found is None or node.operation not in ("Mul", "Div") or found[1].size != 1:
            continue
        total = editor.alone(found[0], "ReduceSum")
        if total is None or not np.isclose(float(found[1].flat[0]) * total.count, 1.0, rtol=1e-6):
            continue
        total.operation, total.outputs = "ReduceMean", node.outputs
        editor.nodes = [each for each in editor.nodes if each is not node]
        editor.recount()
        return True
    return False


def _kept_axes(editor: _Editor) -> bool:
    """A mean whose axes a reshape brings back, as 1, keeps them."""
    for node in editor.nodes:
        if node.operation != "Reshape":
            continue
        mean = editor.alone(node.inputs[0], "ReduceMean")
        target = editor.constants.get(node.inputs[1])
        axes = None if mean is None else editor.constants.get(mean.inputs[1])
        if mean is None or target is None or axes is None or mean.attributes["keepdims"]:
            continue
        rank, gone = len(target), set(axes.tolist())
        if rank == 4 and gone == {2, 3} and list(target[2:]) == [1, 1] and target[0] == -1:
            mean.attributes, mean.outputs = {"keepdims": 1}, node.outputs
            editor.nodes = [each for each in editor.nodes if each is not node]
            editor.recount()
            return True
    return False
