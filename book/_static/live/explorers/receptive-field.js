/* Stacked kernels and strides: the pyramid of what one value sees, against one large kernel. */
live.explorers["receptive-field"] = (page) => {
  "use strict";
  const { element: el } = live, CHANNELS = 64;
  let stack = [[3, 1], [3, 1], [3, 1]];
  const picture = el("div", { class: "live-drawing" }), list = el("div"), facts = el("div");

  function draw() {
    let field = 1, jump = 1;
    const reach = stack.map(([k, s]) => { field += (k - 1) * jump; jump *= s; return [field, jump]; });
    const W = 640, lines = stack.length + 1, H = 34 * lines + 24, unit = Math.min(26, (W - 110) / field), middle = (W + 90) / 2;
    const parts = [];
    let need = 1; // how many values of each line the one at the top sees
    for (let line = stack.length; line >= 0; line--) {
      const step = line ? reach[line - 1][1] : 1, y = 10 + (stack.length - line) * 34;
      for (let i = 0; i < need; i++)
        parts.push(el("rect", { x: (middle + (i - (need - 1) / 2) * step * unit - unit / 2 + 0.75).toFixed(2), y, rx: 2,
          width: Math.max(unit - 1.5, 0.8).toFixed(2), height: 20, fill: `var(--live-${line ? (line - 1) % 6 : 3})`,
          "fill-opacity": line ? 0.85 : 0.45 }));
      parts.push(el("text", { x: 0, y: y + 15 }, line ? `${line}층 ${stack[line - 1][0]}×${stack[line - 1][0]}` : "입력"));
      if (line) {
        const [k, s] = stack[line - 1], next = (need - 1) * s + k, below = line > 1 ? reach[line - 2][1] : 1;
        for (const side of [-1, 1])
          parts.push(el("line", { class: "live-grid", x1: middle + side * (((need - 1) / 2) * step + 0.5) * unit, y1: y + 20,
            x2: middle + side * (((next - 1) / 2) * below + 0.5) * unit, y2: y + 34 }));
        need = next;
      }
    }
    picture.replaceChildren(el("svg", { viewBox: `0 0 ${W} ${H}`, role: "img",
      "aria-label": `맨 위 값 하나가 입력 ${field} px을 보는 피라미드` }, ...parts));
    const small = stack.reduce((sum, [k]) => sum + k * k, 0), one = field ** 2;
    facts.replaceChildren(live.facts([["수용 영역", `${field} px`], ["이웃한 값의 간격", `${jump} px`],
      [`가중치 (채널 ${CHANNELS}→${CHANNELS})`, live.count(small * CHANNELS ** 2), `C²의 ${small}배`],
      [`${field}×${field} 하나로`, live.count(one * CHANNELS ** 2), `C²의 ${one}배`], ["ReLU", `${stack.length}번`, "대 1번"]]));
    list.replaceChildren(...stack.map(([k, s], i) => el("div", { class: "live-row" },
      live.choice(`${i + 1}층 필터`, [1, 3, 5, 7].map((v) => [v, `${v}×${v}`]), k, (v) => { stack[i] = [v, s]; draw(); }),
      live.choice("스트라이드", [1, 2].map((v) => [v, v]), s, (v) => { stack[i] = [k, v]; draw(); }))));
    add.disabled = stack.length >= 6;
    remove.disabled = stack.length <= 1;
    page.say(`${stack.length}층은 ${field} px을 본다. 가중치는 같은 영역을 보는 필터 하나의 ${live.percent(small / one)}다.`);
    Object.assign(page, { field, jump, small });
  }
  /* What was pressed is drawn anew: the focus goes to its place. */
  page.body.addEventListener("click", (event) => {
    const buttons = [...list.querySelectorAll("button")], at = buttons.indexOf(event.target);
    if (at >= 0) queueMicrotask(() => list.querySelectorAll("button")[at]?.focus());
  }, true);
  const add = live.button("층 더하기", () => { stack.push([3, 1]); draw(); });
  const remove = live.button("층 빼기", () => { stack.pop(); draw(); });
  page.body.replaceChildren(picture, facts, list, el("div", { class: "live-row" }, add, remove,
    live.button("3×3 셋", () => { stack = [[3, 1], [3, 1], [3, 1]]; draw(); }),
    live.button("ResNet의 처음", () => { stack = [[7, 2], [3, 2], [3, 1], [3, 1]]; draw(); })));
  draw();
};
