// What a browser says of the pages in this document's frames, a line a fault. Runs when all of them are loaded.
addEventListener("load", () => {
  const said = [];
  for (const frame of document.querySelectorAll("iframe")) {
    const [view, page] = [frame.contentWindow, frame.contentDocument];
    const scheme = view.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    said.push(`checked: ${view.innerWidth} px, ${scheme}`);
    const fault = text => said.push(`fault at ${view.innerWidth} px, ${scheme}: ${text}`);

    for (const open of [false, true]) {
      page.querySelectorAll("details").forEach(details => (details.open = open));
      const needs = page.documentElement.scrollWidth;
      if (needs > view.innerWidth) fault(`needs ${needs} px`);
    }
    for (const image of page.images) {
      if (!image.naturalWidth) fault("an image that cannot be read");
      if (!image.alt.trim()) fault("an image without a description");
    }
    for (const { name } of view.performance.getEntriesByType("resource"))
      if (!name.startsWith("data:")) fault(`asks for ${name}`);
    const texts = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
    for (let text; (text = texts.nextNode()); ) {
      if (!text.data.trim()) continue;
      const contrast = contrastOf(view, text.parentElement);
      if (contrast < 4.5) fault(`contrast ${contrast.toFixed(2)} of "${text.data.trim().slice(0, 30)}"`);
    }
  }
  document.getElementById("said").textContent = said.join("\n");
});

// The contrast ratio of WCAG 2 between an element's text and what lies behind it.
function contrastOf(view, element) {
  const channels = colour => colour.match(/[\d.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = channels(colour).map(v => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const opaque = colour => channels(colour).length === 3;
  const behind = element => {
    const colour = element ? view.getComputedStyle(element).backgroundColor : "rgb(255, 255, 255)";
    return opaque(colour) ? colour : behind(element.parentElement);
  };
  const [a, b] = [view.getComputedStyle(element).color, behind(element)].map(luminance);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
