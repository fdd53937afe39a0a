"""The layer table of any model: shapes, parameters, activations, multiply-adds, receptive fields.

The model runs once on the meta device: shapes are computed, numbers are not, so that a table of VGG-19 takes
milliseconds and no memory. Receptive field and jump travel with the tensors through every operation, so that
additions and concatenations are followed as well as chains.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from paperlib.errors import PaperlibError
from paperlib.modes import evaluation_mode

T = TypeVar("T", int, Tensor)


@dataclass(frozen=True)
class Row:
    """One layer. Shapes are without the batch; a multiply-add (MAC) is two floating-point operations.

    `receptive_field` is the side, in input pixels, of the square that one output value sees (padding aside);
    `jump` is the distance in input pixels between neighbouring outputs. Both are None once flattened.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    params: int
    macs: int
    receptive_field: int | None
    jump: int | None

    @property
    def activations(self) -> int:
        """Number of output values for one image."""
        return torch.Size(self.shape).numel()


@dataclass(frozen=True, repr=False)
class Anatomy:
    """The rows of a model from input to logits. Iterates, prints as text, and shows as HTML in a notebook."""

    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Row:
        """The row of the layer `name`; KeyError where there is none."""
        return {row.name: row for row in self.rows}[name]

    def only(self, *kinds: str) -> "Anatomy":
        """The rows of these kinds (`Conv2d`, `Linear`, `MaxPool2d`, `input`, ...)."""
        return Anatomy(tuple(row for row in self.rows if row.kind in kinds))

    @property
    def params(self) -> int:
        """Parameters of all rows."""
        return sum(row.params for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-adds of all rows for one image."""
        return sum(row.macs for row in self.rows)

    @property
    def activations(self) -> int:
        """Output values of all rows for one image; what training keeps is `kept_for_backward`."""
        return sum(row.activations for row in self.rows)

    def _cells(self) -> list[tuple[str, ...]]:
        def line(row: Row) -> tuple[str, ...]:
            shape = "x".join(str(n) for n in row.shape)
            field = "" if row.receptive_field is None else str(row.receptive_field)
            jump = "" if row.jump is None else str(row.jump)
            return row.name, row.kind, shape, f"{row.params:,}", f"{row.activations:,}", f"{row.macs:,}", field, jump

        head = ("name", "kind", "shape", "params", "activations", "MACs", "field", "jump")
        total = ("total", "", "", f"{self.params:,}", f"{self.activations:,}", f"{self.macs:,}", "", "")
        return [head, *map(line, self.rows), total]

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        left = {0, 1}
        return "\n".join(
            "  ".join(
                c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in cells
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        table = "".join(f"<th>{c}</th>" for c in head)
        for line in body:
            table += "</tr><tr>" + "".join(f"<td>{escape(c)}</td>" for c in line)
        return f"<table><tr>{table}</tr></table>"


def anatomy(model: nn.Module, input_shape: tuple[int, int, int] | None = None) -> Anatomy:
    """The layer table of `model` for one image of `input_shape` (channels, height, width).

    Without a shape, the square RGB image of side `model.image_size`. The model itself is neither run nor
    changed. Only layers that hold no further layers make rows; operations outside layers (an addition, a
    concatenation) make none, but receptive fields pass through them. Multiply-adds are those with weights.

    Raises PaperlibError for a transposed convolution, and where the rows would not add up to the model: a layer used
    twice or never, or parameters outside the layers.
    """
    if input_shape is None:
        side: int = model.image_size  # type: ignore[assignment]
        input_shape = (3, side, side)
    fields = _ReceptiveFields()
    counter = FlopCounterMode(display=False)
    order: list[tuple[str, nn.Module, Tensor]] = []
    leaves = [(name, m) for name, m in model.named_modules() if next(m.children(), None) is None]
    meta = {name: t.detach().to("meta") for name, t in _tensors(model)}
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    image = torch.empty(1, *input_shape, device="meta", dtype=dtype)
    fields.seen[image] = (1, 1)

    hooks = [m.register_forward_hook(_recorder(order, name)) for name, m in leaves]
    try:
        with evaluation_mode(model), torch.no_grad(), counter, fields:  # batch normalisation of a single image
            functional_call(model, meta, (image,))
    finally:
        for hook in hooks:
            hook.remove()

    last = Counter(name.rpartition(".")[2] for name, _ in leaves)
    names = {name: s if last[s := name.rpartition(".")[2]] == 1 else name for name, _ in leaves}
    flops = counter.get_flop_counts()
    root = type(model).__name__

    def row(name: str, module: nn.Module, output: Tensor) -> Row:
        params = sum(p.numel() for p in module.parameters())
        macs = sum(flops.get(f"{root}.{name}" if name else root, {}).values()) // 2 if params else 0
        field, jump = fields.seen.get(output, (None, None)) if output.dim() == 4 else (None, None)
        return Row(names[name], type(module).__name__, tuple(output.shape[1:]), params, macs, field, jump)

    first = Row("input", "input", input_shape, 0, 0, 1, 1)
    table = Anatomy((first, *(row(*entry) for entry in order)))
    total = sum(p.numel() for p in model.parameters())
    if table.params != total:
        reason = "it uses a layer twice or not at all, or holds parameters outside its layers"
        raise PaperlibError(f"the rows have {table.params:,} parameters, {root} has {total:,}: {reason}")
    return table


def kept_for_backward(model: nn.Module, input_shape: tuple[int, int, int] | None = None, batch: int = 1) -> int:
    """Bytes that autograd holds between a forward pass and its backward pass, each storage once.

    The tensors of the model are not counted. On the meta device, for `batch` images of `input_shape` (by default as in
    `anatomy`), in the mode that the model is in; the model itself is neither run nor changed.
    """
    if input_shape is None:
        side: int = model.image_size  # type: ignore[assignment]
        input_shape = (3, side, side)
    meta = {name: t.detach().to("meta").requires_grad_(t.requires_grad) for name, t in _tensors(model)}
    images = torch.empty(batch, *input_shape, device="meta", dtype=next(model.parameters()).dtype)
    held: dict[int, Tensor] = {}  # by address; holds the tensors, so that no address comes twice

    def save(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        functional_call(model, meta, (images,))
    for tensor in meta.values():
        held.pop(tensor.untyped_storage()._cdata, None)
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


def _tensors(model: nn.Module) -> Iterable[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _recorder(order: list[tuple[str, nn.Module, Tensor]], name: str) -> Any:
    def hook(module: nn.Module, _: Any, output: Tensor) -> None:
        order.append((name, module, output))

    return hook


def behind_window(field: T, jump: T, kernel: T, stride: T, dilation: T) -> tuple[T, T]:
    """Receptive field and jump, in input pixels, of the values that a window makes of a map with `field` and `jump`.

    Numbers for one side, or tensors (2,) for height and width.
    """
    return field + (kernel - 1) * dilation * jump, jump * stride


class _ReceptiveFields(TorchDispatchMode):
    """Carries (receptive field, jump) from the tensors an operation reads to the tensors it makes.

    Where several tensors meet, the largest field counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[Tensor, tuple[int, int]] = {}  # holds the tensors, so that no id is used twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in ("mean", "_adaptive_avg_pool2d", "adaptive_max_pool2d"):
            return result  # a global average sees everything: no field to state
        known = [self.seen[t] for t in _flat(args) if t in self.seen]
        if known:
            behind = behind_window(*max(known), *_window(func, args))
            for output in _flat([result]):
                self.seen[output] = behind
        return result


def _flat(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _flat(value)


def _window(func: Any, args: Any) -> tuple[int, int, int]:
    """Kernel side, stride and dilation of the operation; (1, 1, 1) where it looks at single positions."""
    name = func.overloadpacket.__name__
    if name == "convolution":  # input, weight, bias, stride, padding, dilation, transposed, ...
        if args[6]:
            raise PaperlibError("anatomy knows no receptive field of a transposed convolution")
        return args[1].shape[-1], args[3][-1], args[5][-1]
    if name in ("max_pool2d_with_indices", "avg_pool2d"):  # input, kernel, stride, padding, dilation (max only)
        stride = args[2][-1] if len(args) > 2 and args[2] else args[1][-1]
        dilation = args[4][-1] if name.startswith("max") and len(args) > 4 else 1
        return args[1][-1], stride, dilation
    if name == "unfold" and args[1] == 2:  # input, dimension, side, step: the height's stands for both
        return args[2], args[3], 1
    return 1, 1, 1
