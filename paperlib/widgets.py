"""Explorers for notebooks: controls, and a picture that follows them.

The picture is an ordinary output that the controls redraw: a page without a kernel shows the first choice.
"""

import ipywidgets
import torch
from IPython.display import display

from paperlib import figures
from paperlib.anatomy import anatomy, kept_for_backward
from paperlib.models.densenet import DenseNet


def densenet_explorer() -> ipywidgets.VBox:
    """Draw a DenseNet for 32 px images of any L, k, theta, with or without bottleneck; returns the controls."""
    slider = {"continuous_update": False}
    controls = {
        "depth": ipywidgets.IntSlider(100, 10, 250, 6, description="L", **slider),  # 6n + 4: every form has these
        "growth_rate": ipywidgets.IntSlider(12, 4, 48, 4, description="k", **slider),
        "compression": ipywidgets.FloatSlider(0.5, min=0.1, max=1.0, step=0.1, description="θ", **slider),
        "bottleneck": ipywidgets.Checkbox(True, description="병목 (B)"),
    }

    def picture() -> object:
        chosen = {name: control.value for name, control in controls.items()}
        with torch.device("meta"):
            net, efficient = (DenseNet("small", num_classes=10, memory_efficient=e, **chosen) for e in (False, True))
        table, kept = anatomy(net), [kept_for_backward(model) / 1e6 for model in (net, efficient)]
        blocks = [
            [row.shape[0] for row in table if row.name.startswith(f"stages.{name}.") and row.name.endswith(".norm1")]
            for name in ("dense1", "dense2", "dense3")
        ]
        form = "B" * chosen["bottleneck"] + "C" * (chosen["compression"] < 1)
        title = (
            f"DenseNet{'-' * bool(form)}{form}, L = {chosen['depth']}, k = {chosen['growth_rate']}, "
            f"θ = {chosen['compression']:.1f}: 블록마다 {len(blocks[0])}계층\n"
            f"매개변수 {table.params:,}개, {table.macs / 1e6:,.0f} MMAC\n"
            f"역전파를 위해 남는 것: 이미지 한 장에 {kept[0]:,.1f} MB, 재계산하면 {kept[1]:,.1f} MB"
        )
        return figures.channel_stairs([[*read, read[-1] + chosen["growth_rate"]] for read in blocks], title)

    shown = display(picture(), display_id=True)
    for control in controls.values():
        control.observe(lambda _: shown.update(picture()), "value")
    return ipywidgets.VBox(list(controls.values()))
