// The texts whose contrast with what is behind them is below 4.5:1 (WCAG 2.2, 1.4.3).
(() => {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const hasText = (e) => [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
  const texts = [...document.body.querySelectorAll('*')].filter((e) => hasText(e) && e.checkVisibility() && !e.matches(':disabled'));
  if (texts.length < 60) return [`only ${texts.length} texts`];
  return texts.flatMap((e) => {
    const [light, dark] = [luminance(parse(getComputedStyle(e).color)), luminance(behind(e))].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    return contrast < 4.5 ? [`${contrast.toFixed(2)}: ${e.tagName} ${e.className} ${e.textContent.trim()}`] : [];
  });
})()
