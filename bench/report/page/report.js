"use strict";
// The download is made from the data in the page, so that the page needs no file beside it.
const data = document.getElementById("results").textContent;
const link = document.getElementById("download");
link.href = "data:application/json;charset=utf-8," + encodeURIComponent(data);
link.hidden = false;
// Folded evidence is printed only where the reader has opened it; a link to a check opens it.
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", open);
open();

// The checks are filtered by what they show and by their result. Without scripts all are there, and no filter.
const filter = document.getElementById("filter");
if (filter) {
  const text = document.getElementById("filter-text");
  const shown = document.getElementById("filter-count");
  const checks = [...document.querySelectorAll(".check")].map(element => ({
    element, states: element.dataset.state.split(" "),
    words: (element.dataset.words + " " + element.querySelector("summary").textContent).toLowerCase(),
  }));
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/);
    const state = filter.querySelector("input[name=state]:checked").value;
    let count = 0;
    for (const check of checks) {
      const fits = (!state || check.states.includes(state)) && words.every(word => check.words.includes(word));
      check.element.hidden = !fits;
      if (fits) count++;
    }
    for (const group of document.querySelectorAll(".group")) group.hidden = !group.querySelector(".check:not([hidden])");
    shown.textContent = count + " shown";
  };
  filter.addEventListener("input", apply);
  filter.hidden = false;
  apply();
}
