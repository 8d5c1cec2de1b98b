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
