"""Networks by the parameters that their papers name: what each means for its class here."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from typing import Any

from reid_jax.errors import UserError
from reid_jax.models.backbones.efficientnet import compound
from reid_jax.models.backbones.inverted_residual import MobileNet
from reid_jax.models.backbones.resnet import DEPTHS, ResNet
from reid_jax.models.layers import Backbone

_COMMON = {field.name for field in dataclasses.fields(Backbone)}


def read_options(text: str) -> dict[str, Any]:
    """`cardinality=32,base_width=4` as names and values.

    Raises:
      UserError: it is not written so.
    """
    try:
        call: Any = ast.parse(f"_({text})", mode="eval").body
        options = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    except (SyntaxError, ValueError, TypeError, AttributeError):
        call, options = None, {}
    if call is None or call.args or None in options:
        raise UserError(
            f"backbone options {text!r} cannot be read: write names and values with commas "
            "between them, as cardinality=32,base_width=4."
        )
    return options


def class_options(
    name: str, kind: type[Backbone], published: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a network's class: the published ones, changed by a person's options.

    Beside the class's own names there are of ResNets `depth` (18 to 152; He et al. 2016),
    `cardinality` (`groups`; Xie et al. 2017) and `reduction` (of squeeze-and-excitation, r; Hu et
    al. 2018), and of EfficientNet-B0 `phi` (Tan and Le 2019, eq. 3: widths 1.1^phi, depths
    1.2^phi).

    Raises:
      UserError: an option is unknown, or its value impossible.
    """
    allowed = {field.name for field in dataclasses.fields(kind)} - {"parent", "name"}
    papers = {"depth", "cardinality", "reduction"} if kind is ResNet else set()
    scaled = kind is MobileNet and name == "efficientnet_b0"
    papers |= {"phi"} if scaled else set()
    for option in options:
        if option not in allowed | papers:
            known = ", ".join(sorted((allowed - _COMMON) | papers)) or "none of its own"
            raise UserError(f"{name} has no option {option!r}: it has {known}")
    own = dict(options)
    if "phi" in own:
        phi = own.pop("phi")
        if not isinstance(phi, int | float) or not 0 <= phi <= 10:
            raise UserError(f"phi of {name} is {phi!r}; it must be a number from 0 to 10")
        published = {**published, **compound(phi)}
    if "depth" in papers and "depth" in own:
        depth = own.pop("depth")
        if depth not in DEPTHS:
            raise UserError(
                f"depth of {name} is {depth!r}; there are {', '.join(map(str, DEPTHS))}"
            )
        published = {**published, **DEPTHS[depth]}
    if "cardinality" in own:
        own["groups"] = own.pop("cardinality")
    if "reduction" in own:
        own["squeeze_excite"] = True
    for field in dataclasses.fields(kind):
        if field.type != "int" or field.name in _COMMON or field.name not in own:
            continue
        value = own[field.name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"{field.name} of {name} is {value!r}; it must be 1, 2, 3, ...")
    return {**published, **own}
