/* What every page of the book does besides being read: Korean labels for scripts that speak English, cards over terms
   and citations, long tables that sort, boxes that open for print. No framework; a classic script works from file:// too. */
"use strict";

(() => {
  const root = document.documentElement.dataset.content_root || "./";
  const article = document.querySelector("article.bd-article");

  // ---- labels -------------------------------------------------------------------------------------------------------
  if (typeof messages !== "undefined") {
    Object.assign(messages.en, {
      copy: "복사",
      copy_to_clipboard: "클립보드로 복사",
      copy_success: "복사했다",
      copy_failure: "복사하지 못했다",
    });
  }

  function nameControls() {
    document.querySelectorAll("[aria-label='Toggle hidden content']").forEach((control) => {
      control.setAttribute("aria-label", "숨긴 내용 열고 닫기");
    });
    document.querySelectorAll("button.copybtn").forEach((button) => {
      button.setAttribute("aria-label", "코드 복사");
      button.setAttribute("data-tooltip", "복사");
    });
    document.querySelectorAll(".bd-links summary, .bd-docs-nav summary").forEach((summary) => {
      const entry = summary.closest("li")?.querySelector("a");
      if (entry) summary.setAttribute("aria-label", `${entry.textContent.trim()} 차례 열고 닫기`);
    });
    document.querySelectorAll(".headerlink").forEach((link) => link.setAttribute("tabindex", "-1"));
  }

  // ---- cards over terms and citations -------------------------------------------------------------------------------
  const TERM = "a[href*='glossary.html#term-'], a[href^='#term-']";
  const CITATION = "a.reference.internal[href*='references.html#']";
  let card = null;
  let shownFor = null;
  let timer = 0;

  function loadTerms() {
    return (loadTerms.once ??= new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = `${root}_static/cards.js`;
      script.onload = () => resolve(window.bookCards || {});
      script.onerror = () => resolve({});
      document.head.append(script);
    }));
  }

  async function contentOf(link) {
    if (link.dataset.citation) {
      const text = document.createElement("p");
      text.textContent = link.dataset.citation;
      return text.outerHTML;
    }
    const key = decodeURIComponent(link.hash.slice(1));
    const entry = (await loadTerms())[key];
    return entry ? `<p class="term-card-name">${entry[0]}</p>${entry[1]}` : "";
  }

  function hide() {
    clearTimeout(timer);
    card?.remove();
    shownFor?.removeAttribute("aria-describedby");
    card = shownFor = null;
  }

  async function show(link) {
    const content = await contentOf(link);
    if (!content || shownFor === link) return;
    hide();
    shownFor = link;
    card = document.createElement("div");
    card.id = "term-card";
    card.setAttribute("role", "tooltip");
    card.innerHTML = content;
    document.body.append(card);
    link.setAttribute("aria-describedby", "term-card");
    const at = link.getClientRects()[0];
    const below = at.bottom + 8 + card.offsetHeight < innerHeight || at.top < card.offsetHeight + 8;
    card.style.left = `${Math.max(8, Math.min(at.left, innerWidth - card.offsetWidth - 8)) + scrollX}px`;
    card.style.top = `${(below ? at.bottom + 8 : at.top - card.offsetHeight - 8) + scrollY}px`;
    card.addEventListener("pointerenter", () => clearTimeout(timer));
    card.addEventListener("pointerleave", hide);
  }

  function offerCards() {
    article?.querySelectorAll(CITATION).forEach((link) => {
      if (!link.title) return;
      link.dataset.citation = link.title; // the browser's own tooltip would stand over the card
      link.removeAttribute("title");
    });
    article?.querySelectorAll(`${TERM}, ${CITATION}`).forEach((link) => {
      link.addEventListener("pointerenter", (event) => {
        if (event.pointerType === "touch") return; // a touch follows the link
        clearTimeout(timer);
        timer = setTimeout(() => show(link), 150);
      });
      link.addEventListener("pointerleave", () => {
        clearTimeout(timer);
        timer = setTimeout(hide, 250);
      });
      link.addEventListener("focus", () => link.matches(":focus-visible") && show(link));
      link.addEventListener("blur", hide);
    });
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  }

  // ---- tables -------------------------------------------------------------------------------------------------------
  const SORT_FROM = 11; // rows
  const numberIn = (text) => {
    const found = text.replace(/,/g, "").replace(/−/g, "-").match(/^[^\d-]*(-?\d+(?:\.\d+)?)/);
    return found ? Number(found[1]) : NaN;
  };

  function sortBy(table, column, direction) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [row, row.cells[column]?.textContent.trim() ?? ""]);
    const numeric = rows.filter(([, text]) => text).every(([, text]) => !Number.isNaN(numberIn(text)));
    rows.sort(([, a], [, b]) => direction * (numeric ? numberIn(a) - numberIn(b) : a.localeCompare(b, "ko")));
    body.append(...rows.map(([row]) => row));
  }

  function makeSortable(table) {
    const head = table.tHead?.rows;
    const body = table.tBodies[0];
    if (head?.length !== 1 || !body || body.rows.length < SORT_FROM || table.closest(".ledger")) return;
    if (table.querySelector("[rowspan]:not([rowspan='1']), [colspan]:not([colspan='1'])")) return;
    [...head[0].cells].forEach((cell, column) => {
      if (!cell.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort-button";
      button.setAttribute("aria-label", `${cell.textContent.trim()} 차례로 늘어놓기`);
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const direction = cell.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        [...head[0].cells].forEach((other) => other.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
        sortBy(table, column, direction);
      });
    });
  }

  function scrollByKeyboard() {
    article?.querySelectorAll(".pst-scrollable-table-container, .cell_output .text_html, div.math").forEach((box) => {
      const wide = box.scrollWidth > box.clientWidth + 1;
      if (wide && box.matches(".math")) box.classList.add("wide");
      if (box.matches(".math")) return;
      box.tabIndex = wide ? 0 : -1;
      if (wide) box.setAttribute("role", "region");
      if (wide) box.setAttribute("aria-label", "옆으로 넘겨 보는 표");
    });
  }

  // ---- print --------------------------------------------------------------------------------------------------------
  addEventListener("beforeprint", () => {
    hide();
    article?.querySelectorAll("details:not([open])").forEach((box) => {
      if (box.closest(".admonition.solution")) return;
      box.open = true;
      box.dataset.printed = "";
    });
  });
  addEventListener("afterprint", () => {
    article?.querySelectorAll("details[data-printed]").forEach((box) => {
      box.open = false;
      delete box.dataset.printed;
    });
  });

  function start() {
    nameControls();
    offerCards();
    article?.querySelectorAll("table").forEach(makeSortable);
    scrollByKeyboard();
    addEventListener("resize", scrollByKeyboard);
  }

  // After the scripts that add their buttons when the document is ready.
  addEventListener("load", start);
})();

/* A ledger of claims: filters by the fields of its entries and by words; an address with #entry opens that entry. */
(() => {
  function setUp(ledger) {
    const form = ledger.querySelector(".ledger-filters");
    const count = ledger.querySelector(".ledger-count");
    const entries = [...ledger.querySelectorAll(".ledger-entry")];
    const words = entries.map((entry) => entry.textContent.toLowerCase().replace(/\s+/g, ""));
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      const wanted = [...form.querySelectorAll("[data-filter]")].map((control) => [control.dataset.filter, control.value]);
      entries.forEach((entry, n) => {
        entry.hidden = !wanted.every(([key, value]) =>
          key === "text" ? words[n].includes(value.toLowerCase().replace(/\s+/g, "")) : !value || entry.dataset[key].split("|").includes(value),
        );
      });
      count.textContent = `${entries.filter((entry) => !entry.hidden).length}건`;
    });
  }

  function openNamed() {
    const entry = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!entry || !entry.matches("details.ledger-entry")) return;
    entry.hidden = false;
    entry.open = true;
    entry.scrollIntoView();
  }

  document.querySelectorAll(".ledger").forEach(setUp);
  addEventListener("hashchange", openNamed);
  addEventListener("load", openNamed);
})();
