// Follows what a page shows: asks for the next picture, and puts in its place whatever has changed. What the reader
// has opened, focused or scrolled stays so. The first page without a number is the last; then all is said.
(() => {
  "use strict";
  const root = document.documentElement;
  const TRIES = 3;
  const REACH = "a, button, summary, [tabindex]";
  // Parts as they were sent, whatever the reader has done to them since.
  const sent = new WeakMap();
  const parts = (page) => ["main", "footer"].flatMap((it) => [...page.querySelector(it).children]);
  const all = (within, what) => [...within.querySelectorAll(what)];
  const remember = (part) => sent.set(part, part.outerHTML);
  parts(document).forEach(remember);

  const replace = (old, part) => {
    const open = all(old, "details").map((it) => it.open);
    const aside = all(old, ".scroll").map((it) => it.scrollLeft);
    const focus = all(old, REACH).indexOf(document.activeElement);
    old.replaceWith(part);
    all(part, "details").forEach((it, at) => { it.open = open[at] ?? it.open; });
    all(part, ".scroll").forEach((it, at) => { it.scrollLeft = aside[at] ?? 0; });
    if (focus >= 0) all(part, REACH)[focus]?.focus({ preventScroll: true });
  };
  // Parts by what they are: some come and go while the run goes on.
  const keyed = (home) => new Map([...home.children].map((it) => [it.id || it.className, it]));
  const show = (page) => {
    document.title = page.title;
    for (const name of ["main", "footer"]) {
      const home = document.querySelector(name);
      const olds = keyed(home);
      let place = home.firstElementChild;
      for (const [key, part] of keyed(page.querySelector(name))) {
        const old = olds.get(key);
        olds.delete(key);
        remember(part);
        const stays = old && sent.get(old) === sent.get(part);
        if (old && place === old) place = old.nextElementSibling;
        else home.insertBefore(old ?? part, place);
        if (old && !stays) replace(old, part);
      }
      olds.forEach((it) => it.remove());
    }
    const { number } = page.documentElement.dataset;
    if (number === undefined) delete root.dataset.number;
    else root.dataset.number = number;
    document.dispatchEvent(new Event("evenkeel-drawn"));
  };
  const pause = () => new Promise((done) => setTimeout(done, 500));
  const follow = async () => {
    for (let tries = 0; root.dataset.number !== undefined; ) {
      try {
        const answer = await fetch(`${location.pathname}?after=${root.dataset.number}`);
        if (!answer.ok) throw new Error(answer.statusText);
        show(new DOMParser().parseFromString(await answer.text(), "text/html"));
        tries = 0;
      } catch {
        if (++tries === TRIES) {
          document.getElementById("stale").hidden = false;
          return;
        }
        await pause();
      }
    }
  };
  follow();
})();
