// The page works without this: it adds pictures, a filter, keys and the choice of colours.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  root.classList.add("scripted");

  // Each picture is in the page once; places that are looked at get it.
  const thumbnails = JSON.parse(document.getElementById("thumbnails").textContent);
  const fill = (image) => {
    // Printed before it was looked at, or come into sight twice at once: it has its picture.
    if (image.dataset.thumbnail === undefined) return;
    image.src = thumbnails[image.dataset.thumbnail];
    image.removeAttribute("data-thumbnail");
  };
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        observer.unobserve(entry.target);
        fill(entry.target);
      }
    }
  }, { rootMargin: "400px" });
  for (const image of all("img[data-thumbnail]")) observer.observe(image);
  window.addEventListener("beforeprint", () => all("img[data-thumbnail]").forEach(fill));

  // Colours: as the system, light, dark.
  const themes = ["as the system", "light", "dark"];
  const button = document.getElementById("theme");
  const show = (theme) => {
    if (theme === themes[0]) root.removeAttribute("data-theme");
    else root.dataset.theme = theme;
    button.querySelector("span").textContent = theme;
  };
  const remember = (theme) => { try { localStorage.setItem("ccsr-flow-theme", theme); } catch { /* not here */ } };
  const remembered = () => { try { return localStorage.getItem("ccsr-flow-theme"); } catch { return null; } };
  let theme = Math.max(0, themes.indexOf(remembered()));
  show(themes[theme]);
  const nextTheme = () => {
    theme = (theme + 1) % themes.length;
    show(themes[theme]);
    remember(themes[theme]);
  };
  button.addEventListener("click", nextTheme);

  // Filters, one a gallery.
  for (const form of all(".tools")) {
    const prompts = all(".prompt", form.parentElement).map((prompt) => ({
      row: prompt.parentElement,
      state: prompt.dataset.state,
      text: prompt.querySelector(".words").textContent.toLowerCase(),
    }));
    const input = form.querySelector("input");
    const select = form.querySelector("select");
    const output = form.querySelector("output");
    const filter = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const state = select ? select.value : "";
      let shown = 0;
      for (const prompt of prompts) {
        const fits = (!state || prompt.state === state) && words.every((word) => prompt.text.includes(word));
        prompt.row.hidden = !fits;
        shown += fits ? 1 : 0;
      }
      output.textContent = `${shown} of ${prompts.length}`;
    };
    input.addEventListener("input", filter);
    if (select) select.addEventListener("change", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    filter();
  }

  // A link to something folded unfolds it.
  const unfold = () => {
    let name = location.hash.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch {
      // It is no text of ours: taken as it is.
    }
    const target = name ? document.getElementById(name) : null;
    if (!target) return;
    target.closest("li[hidden]")?.removeAttribute("hidden");
    const details = target.closest("details");
    if (details) {
      details.open = true;
      details.scrollIntoView();
      details.querySelector("summary").focus({ preventScroll: true });
    }
  };
  window.addEventListener("hashchange", unfold);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) unfold();
  });
  unfold();

  // Keys.
  const step = (by) => {
    const prompts = all(".prompts > li:not([hidden]) > .prompt > summary");
    if (!prompts.length) return;
    const at = prompts.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : prompts.length - 1) : Math.min(prompts.length - 1, Math.max(0, at + by));
    prompts[next].focus({ preventScroll: true });
    prompts[next].scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const on = document.activeElement;
    const onPrompt = on !== null && on.matches(".prompt > summary");
    const keys = { j: () => step(1), k: () => step(-1), t: nextTheme, "/": () => {
      const input = document.querySelector(".tools input");
      if (input) input.focus();
    } };
    if (onPrompt) {
      keys.ArrowDown = keys.j;
      keys.ArrowUp = keys.k;
      keys.Escape = () => { on.parentElement.open = false; };
    }
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });
})();
