"""Write the networks that run in the book's pages as lists of layers: book/_static/live/networks/NAME.json.

To add one: a line in `NETWORKS`, then `python tools/export_networks.py`. The book's build adds the weights of the run
(book/_ext/live.py); a test holds these files equal to what this program makes of the package.
"""

import json
from pathlib import Path
from typing import Any

from torch import nn

from paperlib.models.densenet import DenseBlock, DenseNet, Transition
from paperlib.models.layers import LocalResponseNorm
from paperlib.models.resnet import PadShortcut, ResNet
from paperlib.runs import load_model, load_recipe

FOLDER = Path(__file__).resolve().parents[1] / "book" / "_static" / "live" / "networks"
NETWORKS = {  # the name in the pages, the recorded run, what the reader is told
    "vgg-caltech": ("vgg-caltech", "VGG-11, Caltech-101"),
    "zfnet-caltech": ("zfnet-caltech", "ZFNet, Caltech-101"),
    "alexnet-caltech": ("alexnet-caltech", "AlexNet, Caltech-101"),
    "densenet-fashion": ("fashion-mnist-densenet_bc16_k48-long/seed0", "DenseNet-BC-16 (k = 48), Fashion-MNIST"),
}


class Layers(list[dict[str, Any]]):
    """The layers in the order they run. A layer is numbered from 1; 0 is the image; each method returns its number."""

    def put(self, op: str, name: str, reads: list[int], **values: Any) -> int:
        usual = reads == [len(self)]  # the layer before it
        self.append({"op": op, "name": name} | ({} if usual else {"from": reads}) | values)
        return len(self)

    def conv(self, name: str, x: int, conv: nn.Conv2d, key: str, bn: nn.BatchNorm2d | None = None, at: str = "") -> int:
        """A convolution; the batch normalisation behind it, of the key `at`, is folded into its weights."""
        values = dict(kernel=conv.kernel_size[0], stride=conv.stride[0], padding=conv.padding[0], groups=conv.groups)
        values |= dict(inputs=conv.in_channels, outputs=conv.out_channels, weight=f"{key}.weight")
        values |= {"bias": f"{key}.bias"} if conv.bias is not None else {}
        return self.put("conv", name, [x], **values, **({"bn": at, "eps": bn.eps} if bn else {}))

    def linear(self, name: str, x: int, linear: nn.Linear, key: str, channels: int) -> int:
        """A fully-connected layer as a convolution over maps of `channels`; the inputs tell its window."""
        kernel = round((linear.in_features / channels) ** 0.5)
        values = dict(kernel=kernel, stride=1, padding=0, groups=1, inputs=channels, outputs=linear.out_features)
        return self.put("conv", name, [x], **values, weight=f"{key}.weight", bias=f"{key}.bias")

    def scale(self, name: str, x: int, bn: nn.BatchNorm2d, key: str) -> int:
        """Batch normalisation before its convolution, and the ReLU that follows: a factor and a shift for each map."""
        return self.put("scale", name, [x], inputs=bn.num_features, bn=key, eps=bn.eps, relu=True)

    def simple(self, name: str, x: int, module: nn.Module) -> int:
        """A layer without weights; dropout makes none."""
        if isinstance(module, nn.ReLU):
            return self.put("relu", name, [x])
        if isinstance(module, nn.MaxPool2d):
            values = dict(kernel=module.kernel_size, stride=module.stride, padding=module.padding)
            return self.put("maxpool", name, [x], **values, ceil=module.ceil_mode)
        if isinstance(module, LocalResponseNorm):
            assert module.beta == 0.75  # the engine takes two square roots
            return self.put("norm", name, [x], size=module.size, alpha=module.alpha, k=module.k)
        assert isinstance(module, nn.Dropout), module
        return x

    def sequence(self, x: int, part: nn.Sequential, key: str) -> int:
        """A sequence of layers with names: AlexNet, ZFNet, VGG, and the stem of a ResNet."""
        named = list(part.named_children())
        for i, (name, module) in enumerate(named):
            following = named[i + 1] if i + 1 < len(named) else ("", None)
            if isinstance(module, nn.Conv2d):
                bn = following[1] if isinstance(following[1], nn.BatchNorm2d) else None
                x = self.conv(name, x, module, f"{key}.{name}", bn, f"{key}.{following[0]}" if bn else "")
            elif isinstance(module, nn.Linear):
                channels = next(layer["outputs"] for layer in reversed(self) if "outputs" in layer)
                x = self.linear(name, x, module, f"{key}.{name}", channels)
            elif not isinstance(module, nn.BatchNorm2d):
                x = self.simple(name, x, module)
        return x


def resnet(model: ResNet) -> Layers:
    """The layers of a ResNet."""
    layers = Layers()
    x = layers.sequence(0, model.stem, "stem")
    for stage, row in model.stages.items():
        for i, block in enumerate(row.children()):
            name, key = f"{stage.removesuffix('_x')}_{i + 1}", f"stages.{stage}.{i}"
            y, parts = x, dict(block.residual.named_children())
            for part, module in parts.items():
                if isinstance(module, nn.Conv2d):
                    bn = part.replace("conv", "bn")
                    at = f"{key}.residual."
                    y = layers.conv(f"{name}.{part}", y, module, at + part, parts[bn], at + bn)
                elif isinstance(module, nn.ReLU):
                    y = layers.put("relu", f"{name}.{part}", [y])
            if isinstance(block.shortcut, PadShortcut):
                pad = block.shortcut
                x = layers.put("pad", f"{name}.shortcut", [x], stride=pad.stride, before=pad.before, after=pad.after)
            elif isinstance(block.shortcut, nn.Sequential):
                at = f"{key}.shortcut."
                x = layers.conv(f"{name}.shortcut", x, block.shortcut.conv, at + "conv", block.shortcut.bn, at + "bn")
            plain = block.shortcut is None
            x = layers.put("relu", name, [y]) if plain else layers.put("add", name, [y, x], relu=True)
    x = layers.put("average", "avgpool", [x])
    layers.linear("fc", x, model.fc, "fc", model.fc.in_features)
    return layers


def densenet(model: DenseNet) -> Layers:
    """The layers of a DenseNet."""
    layers = Layers()
    if model.image_size > 32:
        raise NotImplementedError("the stem of the ImageNet form")
    x = layers.conv("stem.conv", 0, model.stem.conv, "stem.conv")
    for stage, part in model.stages.items():
        at = f"stages.{stage}"
        if isinstance(part, Transition):
            x = layers.scale(f"{stage}.norm", x, part.norm, f"{at}.norm")
            x = layers.conv(f"{stage}.conv", x, part.conv, f"{at}.conv")
            x = layers.put("avgpool", f"{stage}.pool", [x], kernel=2, stride=2)
            continue
        assert isinstance(part, DenseBlock)
        for name, layer in part.named_children():
            key = f"{at}.{name}"
            y = layers.scale(f"{stage}.{name}.norm1", x, layer.norm1, f"{key}.norm1")
            if layer.bottleneck:
                y = layers.conv(f"{stage}.{name}.conv1", y, layer.conv1, f"{key}.conv1", layer.norm2, f"{key}.norm2")
                y = layers.put("relu", f"{stage}.{name}.relu2", [y])
                y = layers.conv(f"{stage}.{name}.conv2", y, layer.conv2, f"{key}.conv2")
            else:
                y = layers.conv(f"{stage}.{name}.conv1", y, layer.conv1, f"{key}.conv1")
            x = layers.put("concat", f"{stage}.{name}", [x, y])
    x = layers.scale("norm", x, model.norm, "norm")
    x = layers.put("average", "avgpool", [x])
    layers.linear("classifier", x, model.classifier, "classifier", model.classifier.in_features)
    return layers


def describe(run: str, title: str) -> dict[str, Any]:
    """What the page needs to run the network of `run`, but for its weights."""
    model, (recipe, classes) = load_model(run), load_recipe(run)
    if isinstance(model, ResNet):
        layers = resnet(model)
    elif isinstance(model, DenseNet):
        layers = densenet(model)
    else:
        layers = Layers()
        layers.sequence(layers.sequence(0, model.features, "features"), model.classifier, "classifier")
    view = {
        "side": recipe.crop_side or model.image_size,
        "rescale": recipe.test_side,
        "mean": recipe.mean,
        "std": recipe.std,
    }
    return {"run": run, "title": title, **view, "classes": list(classes), "layers": layers}


def as_text(network: dict[str, Any]) -> str:
    """JSON with a line for each layer."""
    head = {key: value for key, value in network.items() if key != "layers"}
    lines = ",\n  ".join(json.dumps(layer) for layer in network["layers"])
    return f'{json.dumps(head, indent=1, ensure_ascii=False)[:-2]},\n "layers": [\n  {lines}\n ]\n}}\n'


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, (run, title) in NETWORKS.items():
        (FOLDER / f"{name}.json").write_text(as_text(describe(run, title)), encoding="utf-8")


if __name__ == "__main__":
    main()
