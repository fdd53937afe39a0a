/* Questions that answer at once, and ticks in the side bar for pages that are read. All stays on the reader's device. */
(() => {
  "use strict";
  const KEY = "paperlib-progress";
  let kept = {};
  try { kept = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { /* a browser that keeps nothing */ }
  const save = () => { try { localStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* nothing is kept */ } };
  const page = location.pathname.split("/book/").at(-1).replace(/\.html$/, "");
  const element = (name, properties, ...children) => {
    const tag = Object.assign(document.createElement(name), properties);
    tag.append(...children);
    return tag;
  };

  /* A tick beside every page that is read; where all its questions are right, a filled one. */
  function tick() {
    document.querySelectorAll(".bd-sidebar-primary a.internal").forEach((link) => {
      const name = link.pathname.split("/book/").at(-1).replace(/\.html$/, "");
      link.querySelector(".page-tick")?.remove();
      if (kept[`read ${name}`])
        link.append(element("span", { className: "page-tick", textContent: " ✓", title: "다 읽은 쪽" }));
    });
  }

  function quiz(root) {
    const id = `quiz ${page} ${root.dataset.quiz}`, answer = root.dataset.answer, why = root.querySelector(".quiz-why");
    const result = element("p", { className: "quiz-result" }), check = element("button", { type: "button", textContent: "확인" });
    result.setAttribute("aria-live", "polite");
    const form = root.querySelector("form"), field = form.elements.given;
    const judge = (given) => {
      const number = parseFloat(String(given).replace(/[,\s]/g, ""));
      const right = root.dataset.kind === "choice" ? given === answer
        : Math.abs(number - answer) <= +root.dataset.tolerance + 1e-9;
      root.dataset.state = right ? "right" : "wrong";
      result.textContent = right ? "맞았다." : "아니다. 다시 생각하거나 까닭을 펼쳐 본다.";
      why.open = right;
      why.hidden = false;
      return right;
    };
    form.append(check);
    form.after(result);
    why.hidden = true;
    form.addEventListener("submit", (event) => { event.preventDefault(); check.click(); });
    check.addEventListener("click", () => {
      const given = field.value;
      if (given === "") { result.textContent = "먼저 답을 고르거나 적는다."; return; }
      kept[id] = given;
      judge(given);
      save();
    });
    if (kept[id] != null) {
      field.value = kept[id];
      judge(kept[id]);
    }
  }

  /* A line to write on under each question of a box of predictions. */
  function predictions(box) {
    if (!box.querySelector(".admonition-title")?.textContent.includes("예측하기")) return;
    const questions = [...box.querySelectorAll(":scope > ol > li")];
    (questions.length ? questions : [box]).forEach((place, i) => {
      const id = `guess ${page} ${i + 1}`;
      const line = element("input", { type: "text", className: "guess", placeholder: "내 예측", value: kept[id] || "",
        autocomplete: "off", ariaLabel: `${i + 1}번 예측` });
      line.addEventListener("change", () => {
        if (line.value) kept[id] = line.value;
        else delete kept[id];
        save();
      });
      place.append(line);
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".quiz").forEach(quiz);
    document.querySelectorAll(".admonition.note").forEach(predictions);
    const article = document.querySelector("article.bd-article");
    if (article && document.querySelector(`.bd-sidebar-primary a.current`)) {
      const box = element("input", { type: "checkbox", checked: !!kept[`read ${page}`] });
      box.addEventListener("change", () => {
        if (box.checked) kept[`read ${page}`] = true;
        else delete kept[`read ${page}`];
        save();
        tick();
      });
      const forget = element("button", { type: "button", textContent: "내 기록 지우기", title: "답과 표시를 이 기기에서 모두 지운다" });
      forget.addEventListener("click", () => {
        try { localStorage.removeItem(KEY); } catch { /* nothing is kept */ }
        location.reload();
      });
      article.append(element("div", { className: "page-progress" },
        element("label", {}, box, " 이 쪽을 다 읽었다"), forget));
    }
    tick();
  });
})();
