"""AlexNet (NIPS 2012) and ZFNet (arXiv 1311.2901): each experiment, what it should reach, and how it was shortened.

`paperlib train NAME` trains one; `tools/zfnet_experiments.py` and `tools/record.py` record those on Caltech-101. Where
a run is recorded, what it reached on the test images (centre crop), and in what time on a core or two, stands above
it. `paperlib list` shows every seed, and provenance.json beside the record its command and protocol.
"""

from dataclasses import replace
from typing import Any

from paperlib.recipes.recipe import Recipe

CALTECH_FOLDERS = "folder:caltech101-folders"  # tools/caltech_folders.py makes them

# ZFNet, Table 3: the network of each row and what it changes, at a quarter of the paper's width.
# Departs from the paper: it removes layers from its copy of AlexNet, here they are removed from ZFNet.
ZFNET_TABLE_3: dict[str, tuple[str, dict[str, Any]]] = {
    "alexnet": ("alexnet", {}),
    "zfnet": ("zfnet", {}),
    "zfnet-no34": ("zfnet", {"removed": "34"}),
    "zfnet-no7": ("zfnet", {"removed": "7"}),
    "zfnet-no67": ("zfnet", {"removed": "67"}),
    "zfnet-no3467": ("zfnet", {"removed": "3467"}),
    "zfnet-fc2048": ("zfnet", {"hidden": 512}),
    "zfnet-fc8192": ("zfnet", {"hidden": 2048}),
    "zfnet_b": ("zfnet_b", {}),
    "zfnet_b-fc8192": ("zfnet_b", {"hidden": 2048}),
}

# AlexNet, sections 4 and 5. Departs from the paper: it cuts a square of 256 px out of each image before it crops.
ALEXNET = Recipe(
    model="alexnet",
    data="imagenet",
    sides=(256, 256),
    test_side=256,  # and ten crops
    colours="imagenet",
    mean=(123.675, 116.28, 103.53),  # the paper subtracts the mean of each pixel
    std=(1.0, 1.0, 1.0),
    epochs=90,
    batch_size=128,
    lr=1e-2,
    schedule="plateau",  # by hand, / 10 when the validation error stops falling
    weight_decay=5e-4,
    source="AlexNet, sections 4 and 5",
    target="40.7% top-1, 18.2% top-5 error, 10-crop (its Table 2)",
)
# ZFNet, section 3, which does not mention colours and weight decay
ZFNET = replace(
    ALEXNET,
    model="zfnet",
    colours="none",
    epochs=70,
    renormalize=0.1,
    source="ZFNet, section 3; trains on any crop, not ten",
    target="38.4% top-1, 16.5% top-5 error, 10-crop (Table 2)",
)
# Caltech-101 at the paper's size
CALTECH = replace(
    ZFNET,
    data="caltech101",
    mean=(138.0, 134.0, 127.0),  # about those of Caltech-101
    batch_size=32,  # 128 in the paper; a small set needs more steps an epoch
    schedule="one-cycle",
    channels_last=True,
)
# Caltech-101 at 96 / 224 of the paper's size; Table 3 at a quarter of its width
TABLE_3 = replace(
    CALTECH,
    options={"width": 0.25, "image_size": 96},
    sides=(110, 110),  # 256 px times 96 / 224
    test_side=110,
    epochs=6,  # two minutes a run
    source="ZFNet, sections 3 and 5.1, at 96 / 224; departs from it in width, schedule, batch and decay",
    target="the order of the rows of Table 3, where three seeds can tell them apart",
)
# Networks to look into
VISIBLE = replace(
    TABLE_3,
    options={"width": 0.5, "image_size": 96, "hidden": 384},  # small weights, to come with the package
    epochs=30,
    source="ZFNet, section 3, at 96 / 224; departs from it in width, hidden units, schedule, batch and decay",
    target="features to look at: filters without noise, maps that answer to parts of objects",
)

RECIPES = {
    "imagenet-alexnet": ALEXNET,
    "imagenet-zfnet": ZFNET,
    **{
        f"caltech101-{row}": replace(
            TABLE_3,
            model=model,
            options=TABLE_3.options | changes,
            renormalize=0.0 if model == "alexnet" else 0.1,
        )
        for row, (model, changes) in ZFNET_TABLE_3.items()
    },
    # recorded: 53.91% right, 840 s
    "alexnet-caltech": replace(VISIBLE, model="alexnet", renormalize=0.0),
    # recorded: 56.58% right, 1393 s
    "zfnet-caltech": VISIBLE,
    # Balanced classes: without batch norm, so few steps do not bring the error below that of chance
    "zfnet-full-caltech": replace(
        CALTECH,
        data=f"{CALTECH_FOLDERS}/fold0",
        options={"batch_norm": True},
        epochs=10,  # an hour and a half of a core
        lr=0.02,
        source="ZFNet, section 3, with batch norm; the paper says nothing of how it trained on Caltech-101 alone",
        target="46.5% right in the mean over classes, on folds of 30 images a class (Table 4, not pretrained)",
    ),
    "zfnet-half-caltech": replace(
        VISIBLE,
        data=f"{CALTECH_FOLDERS}/half-a",
        options=VISIBLE.options | {"batch_norm": True},
        epochs=10,
        lr=0.02,
        source="zfnet-caltech with batch norm, on one half of the classes",
        target="features that serve the other half of the classes better than those of random weights (Table 4)",
    ),
}
