"use strict";
function value(cell) {
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
}
function order(a, b) {
  const number = typeof a === "number", other = typeof b === "number";
  if (number && other) return a - b;
  if (number !== other) return number ? -1 : 1;
  return a.localeCompare(b);
}
document.querySelectorAll("table.sortable").forEach((table) => {
  const heads = [...table.querySelectorAll("th")];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => (up ? 1 : -1) * order(value(a.cells[column]), value(b.cells[column])));
      table.tBodies[0].append(...rows);
    });
  });
});
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
const only = document.getElementById("only");
if (only) {
  only.addEventListener("change", () => {
    document.querySelectorAll("section.condition").forEach((section) => {
      section.hidden = only.value !== "" && section.dataset.key !== only.value;
    });
  });
}
