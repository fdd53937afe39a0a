/* The search page: reads ?q=, shows results by page and section, and searches again while the reader types. */
"use strict";

(() => {
  const index = bookSearch.prepare(window.bookIndex);
  const list = document.getElementById("book-results");
  const status = document.getElementById("book-status");
  const input = document.querySelector(".bd-search-container input[type='search']");
  const root = document.documentElement.dataset.content_root || "./";
  const PAGES = 20; // shown at first
  const SECTIONS = 3;

  function element(name, className, ...children) {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...children);
    return made;
  }

  function excerptOf(hit) {
    const { text, marks, before, after } = bookSearch.excerpt(hit.section, hit.words);
    const shown = element("p", "search-excerpt", before ? "… " : "");
    let at = 0;
    for (const [first, end] of marks) {
      if (first < at) continue;
      shown.append(text.slice(at, first), element("mark", "", text.slice(first, end)));
      at = end;
    }
    shown.append(text.slice(at), after ? " …" : "");
    return shown;
  }

  function link(page, hit, text) {
    const made = element("a", "", text);
    made.href = `${root}${page.page}.html${hit.section.isTop || !hit.section.anchor ? "" : `#${encodeURIComponent(hit.section.anchor)}`}`;
    return made;
  }

  function resultOf(page) {
    const [best, ...others] = page.hits;
    const item = element("li", "", element("h2", "search-page", link(page, { section: { isTop: true } }, page.title)));
    for (const hit of [best, ...others.slice(0, SECTIONS - 1)]) {
      const box = element("div", "search-section");
      if (!hit.section.isTop) box.append(element("h3", "", link(page, hit, hit.section.heading.text)));
      box.append(excerptOf(hit));
      item.append(box);
    }
    return item;
  }

  function show(query) {
    list.replaceChildren();
    document.title = query ? `${query} — 검색` : "검색";
    if (!query.trim()) {
      status.textContent = "찾을 낱말을 적는다. 한글과 영어, 띄어 쓴 것과 붙여 쓴 것을 모두 찾는다.";
      return;
    }
    const { results } = bookSearch.search(index, query);
    status.textContent = results.length ? `'${query}'에 관한 ${results.length}쪽을 찾았다.` : `'${query}'에 관한 것을 찾지 못했다. 낱말을 줄이거나 바꾸어 본다.`;
    list.append(...results.slice(0, PAGES).map(resultOf));
    if (results.length > PAGES) {
      const more = element("button", "btn btn-secondary", "더 보기");
      more.addEventListener("click", () => {
        more.parentElement.remove();
        list.append(...results.slice(PAGES).map(resultOf));
      });
      list.append(element("li", "search-more", more));
    }
  }

  const query = new URLSearchParams(location.search).get("q") ?? "";
  input.value = query;
  input.focus();
  let waiting = 0;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      history.replaceState(null, "", `?q=${encodeURIComponent(input.value)}`);
      show(input.value);
    }, 150);
  });
  show(query);
})();
