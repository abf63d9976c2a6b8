// The page is whole without this. It adds the choice of theme, and a readout under the pointer and the
// arrow keys.
(() => {
  "use strict";
  const root = document.documentElement;
  // A page opened from a file may be denied storage; the choice then lasts as long as the page.
  const kept = (value) => {
    try {
      if (value) localStorage.setItem("evenkeel-theme", value);
      return localStorage.getItem("evenkeel-theme");
    } catch {
      return null;
    }
  };
  const chosen = kept();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  const button = document.querySelector(".theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
    kept(root.dataset.theme);
  });

  const element = (name, text) => {
    const it = document.createElement(name);
    it.textContent = text;
    return it;
  };
  for (const block of document.querySelectorAll("script[data-for]")) {
    const data = JSON.parse(block.textContent);
    const plot = document.getElementById(block.dataset.for);
    const said = document.querySelector(`[data-said="${block.dataset.for}"]`);
    const area = plot.querySelector(".area");
    const cross = area.querySelector(".cross");
    const tip = area.querySelector(".tip");
    let at = -1;
    const show = (index) => {
      at = Math.max(0, Math.min(data.x.length - 1, index));
      const share = data.x[at] * 100;
      const left = share < 60;
      cross.hidden = tip.hidden = false;
      cross.style.left = `${share}%`;
      tip.style.left = left ? `calc(${share}% + 12px)` : "auto";
      tip.style.right = left ? "auto" : `calc(${100 - share}% + 12px)`;
      tip.replaceChildren(element("b", data.t[at]));
      for (const series of data.s) {
        const line = element("div", "");
        line.append(element("span", series.n), element("span", series.v[at]));
        tip.append(line);
      }
    };
    const hide = () => {
      cross.hidden = tip.hidden = true;
      said.textContent = "";
    };
    area.addEventListener("pointermove", (event) => {
      const box = area.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      let nearest = 0;
      data.x.forEach((it, index) => {
        if (Math.abs(it - share) < Math.abs(data.x[nearest] - share)) nearest = index;
      });
      show(nearest);
    });
    area.addEventListener("pointerleave", hide);
    plot.addEventListener("blur", hide);
    const keys = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 };
    plot.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hide();
      if (!(event.key in keys)) return;
      event.preventDefault();
      show(at + keys[event.key]);
      said.textContent = `${data.t[at]}: ${data.s.map((it) => `${it.n} ${it.v[at]}`).join(", ")}`;
    });
  }
})();
