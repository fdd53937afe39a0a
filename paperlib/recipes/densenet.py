"""DenseNet (arXiv 1608.06993): each experiment, what it should reach, and how it was shortened.

`paperlib train NAME` trains one; `python tools/record.py` records those on Fashion-MNIST. Where a run is recorded,
what it reached on the test images (centre crop), and in what time on a core or two, stands above it. `paperlib list`
shows every seed, and provenance.json beside the record its command and protocol.
"""

from dataclasses import replace

from paperlib.recipes import resnet

# Section 4.2: batch 64, 300 epochs, / 10 at 50% and 75%; views and channel statistics of CIFAR-10 as ResNet's.
# The paper's columns without augmentation have dropout: --pad 0 --no-mirror --options.dropout 0.2
CIFAR10 = replace(
    resnet.CIFAR,
    model="densenet40_k12",
    options={"dropout": 0.0},
    epochs=300,
    batch_size=64,
    milestones=(150, 225),
    nesterov=True,
    source="DenseNet, section 4.2; views and channel statistics as the paper's",
    target="the net's row in Table 2, column C10+",
)
CIFAR100 = replace(
    CIFAR10,
    data="cifar100",
    mean=(129.3, 124.1, 112.4),
    std=(68.2, 65.4, 70.4),
    target="the net's row in Table 2, column C100+",
)
IMAGENET = replace(
    resnet.IMAGENET,
    model="densenet121",
    epochs=90,
    schedule="milestones",
    milestones=(30, 60),
    nesterov=True,
    source="DenseNet, section 4.2; scales and colours as ResNet's, whose scheme it cites",
    target="the net's row in Table 3: 22.2% to 25.0% top-1 error, 1-crop",
)
FASHION_LONG = replace(
    resnet.FASHION,
    model="densenet_bc",
    options={"depth": 16, "growth_rate": 48},
    epochs=13,
    batch_size=64,
    pad=1,
    weight_decay=5e-4,
    nesterov=True,
    source="the values of fashion-mnist-resnet20-long at half its batch and rate; 682,186 parameters",
    target="at least 95% right; the two recorded runs reached 94.4% and 94.1%",
)

RECIPES = {
    # Table 2, C10+ and C100+
    "cifar10-densenet40_k12": CIFAR10,
    "cifar10-densenet100_k12": replace(CIFAR10, model="densenet100_k12"),
    "cifar10-densenet100_k24": replace(CIFAR10, model="densenet100_k24"),
    "cifar10-densenet_bc100_k12": replace(CIFAR10, model="densenet_bc100_k12"),
    "cifar10-densenet_bc250_k24": replace(CIFAR10, model="densenet_bc250_k24"),
    "cifar10-densenet_bc190_k40": replace(CIFAR10, model="densenet_bc190_k40"),
    "cifar100-densenet40_k12": CIFAR100,
    "cifar100-densenet100_k12": replace(CIFAR100, model="densenet100_k12"),
    "cifar100-densenet100_k24": replace(CIFAR100, model="densenet100_k24"),
    "cifar100-densenet_bc100_k12": replace(CIFAR100, model="densenet_bc100_k12"),
    "cifar100-densenet_bc250_k24": replace(CIFAR100, model="densenet_bc250_k24"),
    "cifar100-densenet_bc190_k40": replace(CIFAR100, model="densenet_bc190_k40"),
    # CIFAR-10 as JPEG files, each as large as a ResNet there
    "cifar10-jpeg-densenet_bc10_k12": replace(
        resnet.CIFAR_JPEG,
        model="densenet_bc",
        options={"depth": 10, "growth_rate": 12},
        source="the values of cifar10-jpeg-resnet20, whose multiply-adds it has",
        target="below the error of ResNet-20 there (Figure 3)",
    ),
    "cifar10-jpeg-densenet_bc22_k12": replace(
        resnet.CIFAR_JPEG,
        model="densenet_bc",
        options={"depth": 22, "growth_rate": 12},
        source="the values of cifar10-jpeg-resnet20; its parameters, and the multiply-adds of ResNet-56 there",
        target="below the errors of both (Figure 3)",
    ),
    # Fashion-MNIST
    # recorded: 91.72 to 91.89% right, 1485 to 1499 s (2 seeds)
    "fashion-mnist-densenet_bc22_k24": replace(
        resnet.FASHION,
        model="densenet_bc",
        options={"depth": 22, "growth_rate": 24},
        source="the values of fashion-mnist-resnet20; 1.04 times its parameters, the multiply-adds of ResNet-56",
        target="errors below those of ResNet-20 and ResNet-56; the recorded runs are equal",
    ),
    # recorded: 94.12 to 94.38% right, 5872 to 5906 s (2 seeds)
    "fashion-mnist-densenet_bc16_k48-long": FASHION_LONG,
    # A second cycle from the weights of the first, as in arXiv 1608.03983: the rate rises and falls to zero anew
    # recorded: 94.37% right, 7158 s
    "fashion-mnist-densenet_bc16_k48-again": replace(
        FASHION_LONG,
        start="fashion-mnist-densenet_bc16_k48-long/seed0",
        epochs=9,
        precision="fp32",
        source="a second cycle of the rate after fashion-mnist-densenet_bc16_k48-long, and its values",
        target="at least 95% right; the recorded run reached 94.4%, as the first cycle had",
    ),
    # Table 3
    "imagenet-densenet121": IMAGENET,
    "imagenet-densenet161": replace(IMAGENET, model="densenet161"),
    "imagenet-densenet169": replace(IMAGENET, model="densenet169"),
    "imagenet-densenet201": replace(IMAGENET, model="densenet201"),
    "imagenet-densenet264": replace(IMAGENET, model="densenet264"),
}
