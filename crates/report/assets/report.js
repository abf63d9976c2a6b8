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
  // Listeners are the page's, not the charts': a chart that is drawn anew needs none.
  const kits = new WeakMap();
  const kit = (plot) => {
    const block = document.querySelector(`script[data-for="${plot.id}"]`);
    if (!block) return null;
    if (!kits.has(plot)) {
      const area = plot.querySelector(".area");
      const said = document.querySelector(`[data-said="${plot.id}"]`);
      const [cross, tip] = [area.querySelector(".cross"), area.querySelector(".tip")];
      kits.set(plot, { data: JSON.parse(block.textContent), area, said, cross, tip });
    }
    return kits.get(plot);
  };
  // Which step each chart reads out, by the name of the chart.
  const shown = new Map();
  const show = (plot, index) => {
    const { data, cross, tip } = kit(plot);
    const at = Math.max(0, Math.min(data.x.length - 1, index));
    const share = data.x[at] * 100;
    const left = share < 60;
    shown.set(plot.id, at);
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
    return at;
  };
  const hide = (plot) => {
    const { said, cross, tip } = kit(plot);
    shown.delete(plot.id);
    cross.hidden = tip.hidden = true;
    said.textContent = "";
  };
  const plotOf = (event, part) => {
    const plot = event.target.closest?.(part)?.closest(".plot");
    return plot && kit(plot) ? plot : null;
  };
  // The chart under the pointer.
  let under = null;
  document.addEventListener("pointermove", (event) => {
    const plot = plotOf(event, ".area");
    if (under && under !== plot && under.isConnected) hide(under);
    under = plot;
    if (!plot) return;
    const { data, area } = kit(plot);
    const box = area.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    let nearest = 0;
    data.x.forEach((it, index) => {
      if (Math.abs(it - share) < Math.abs(data.x[nearest] - share)) nearest = index;
    });
    show(plot, nearest);
  });
  root.addEventListener("pointerleave", () => {
    if (under?.isConnected) hide(under);
    under = null;
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches(".plot") && kit(event.target)) hide(event.target);
  });
  const keys = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 };
  document.addEventListener("keydown", (event) => {
    const plot = plotOf(event, ".plot");
    if (!plot) return;
    if (event.key === "Escape") return hide(plot);
    if (!(event.key in keys)) return;
    event.preventDefault();
    const { data, said } = kit(plot);
    const at = show(plot, (shown.get(plot.id) ?? -1) + keys[event.key]);
    said.textContent = `${data.t[at]}: ${data.s.map((it) => `${it.n} ${it.v[at]}`).join(", ")}`;
  });
  // A chart that was drawn anew reads out what it did before.
  document.addEventListener("evenkeel-drawn", () => {
    for (const [id, at] of shown) {
      const plot = document.getElementById(id);
      if (plot && kit(plot)) show(plot, at);
    }
  });
})();
