"""How strong responses and gradients are inside a trained ResNet or plain network (ResNet, Figure 7).

`record.py` writes them to signals.json.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from paperlib import data, runs
from paperlib.models.resnet import Block, ResNet
from paperlib.transforms import TestView


def signals(run: Path, count: int = 512) -> dict[str, list[float]]:
    """Responses by layer and gradients by block on the first `count` training images, batch norm as in training.

    Responses: the standard deviation of the output of each 3x3 layer, after its batch norm and before ReLU or addition.
    Gradients: the norm of the gradient of the loss with respect to the output of each block, mean over images.
    """
    recipe, _ = runs.load_recipe(run)
    model = runs.load_model(run).train()
    assert isinstance(model, ResNet)
    train = data.load(recipe.data).train
    view = TestView(recipe.test_side, None, recipe.mean, recipe.std)
    x = model.stem(torch.stack([view(image) for image in train.images[:count]]))
    responses: list[float] = []
    outputs: list[Tensor] = []
    for block in (module for module in model.modules() if isinstance(module, Block)):
        y = x.detach()
        for name, layer in block.residual.named_children():
            with torch.no_grad():
                y = layer(y)
            if name.startswith("bn"):
                responses.append(float(y.std()))
        x = block(x)
        outputs.append(x)
    loss = cross_entropy(model.fc(x.mean(dim=(2, 3))), train.labels[:count], reduction="sum")
    gradients = torch.autograd.grad(loss, outputs)
    return {"responses": responses, "gradients": [float(g.flatten(1).norm(dim=1).mean()) for g in gradients]}
