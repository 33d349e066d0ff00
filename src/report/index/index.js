"use strict";
// Opens what the address names, and makes the pages that lie in this one pages of their own.
(() => {
  const pages = JSON.parse(document.getElementById("pages").textContent);
  for (const link of document.querySelectorAll("[data-page]")) {
    const page = new Blob([pages[Number(link.dataset.page)]], { type: "text/html;charset=utf-8" });
    link.href = URL.createObjectURL(page);
    link.parentElement.hidden = false;
  }
  const open = () => {
    const named = document.getElementById(location.hash.slice(1));
    if (named instanceof HTMLDetailsElement) {
      named.open = true;
      named.scrollIntoView();
      named.querySelector("summary").focus({ preventScroll: true });
    }
  };
  addEventListener("hashchange", open);
  // A link to where one is already changes nothing, and still should lead there.
  for (const link of document.querySelectorAll('a[href^="#case-"]')) {
    link.addEventListener("click", () => { if (link.hash === location.hash) open(); });
  }
  open();
})();
