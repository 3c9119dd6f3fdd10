"""Pages in a real browser: ``python -m website.browser PAGE.html ...`` looks at each in headless Chromium, as wide as a
telephone, a tablet and a screen, light and dark, for what is wider than the page, what lies on top of what, pale text.

It loads files, and nothing from elsewhere. Exit code 1 where something was found.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

WIDTHS = (390, 768, 1280)
LOOKS = {"light": 1, "dark": 0}
CONTRAST = 3.0  # of text and what is behind it: the least that the guidelines of accessibility ask of large text
SCRIPT = r"""
const meets = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
const words = e => e.tagName + ' "' + (e.textContent || '').trim().slice(0, 30).replace(/\s+/g, ' ') + '"';
const box = e => e.getBoundingClientRect();
function colour(text) {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  const part = v => (v /= 255) <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4);
  return [0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b), a];
}
function behind(e) {
  for (; e; e = e.parentElement) {
    const [light, solid] = colour(getComputedStyle(e).backgroundColor);
    if (solid > 0.5) return light;
  }
  return 1;
}
function pairs(list, told) {
  const found = [];
  list.forEach((a, i) => list.slice(i + 1).forEach(b => {
    if (!a.contains(b) && !b.contains(a) && meets(box(a), box(b))) found.push(told + words(a) + ' on ' + words(b));
  }));
  return found;
}
function look(page, width) {
  const found = [], root = page.querySelector('article') || page.body;
  if (page.documentElement.scrollWidth > width + 1) found.push('is ' + page.documentElement.scrollWidth + ' wide');
  const parts = [...root.querySelectorAll('p, h1, h2, h3, h4, pre, table, img, svg, li')].filter(e =>
    box(e).width && box(e).height && !e.closest('button, nav, math, .headerlink')
    && !(e.tagName === 'LI' && e.querySelector('p, pre, ul, ol')) && !(e.tagName === 'svg' && e.closest('a')));
  found.push(...pairs(parts, ''));
  root.querySelectorAll('svg').forEach(s => found.push(...pairs([...s.querySelectorAll('text')], 'picture: ')));
  for (const e of root.querySelectorAll('p, li, td, th, h1, h2, h3, code, code span, a, text, mi, mo, mn')) {
    const style = getComputedStyle(e), paint = e.tagName === 'text' ? style.fill : style.color;
    if (!e.textContent.trim() || e.closest('button, .headerlink') || !paint.startsWith('rgb')) continue;
    const [ink, solid] = colour(paint), paper = behind(e);
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (solid > 0.5 && contrast < LEAST) found.push('pale: ' + words(e) + ' ' + contrast.toFixed(1));
  }
  return found;
}
(async () => {
  const all = {};
  for (const url of PAGES) {
    const frame = document.body.appendChild(document.createElement('iframe'));
    frame.style = 'border: 0; height: 900px; width: ' + WIDTH + 'px';
    await new Promise(done => { frame.onload = done; frame.src = url; });
    await new Promise(done => setTimeout(done, 250));
    all[url] = look(frame.contentDocument, WIDTH);
    frame.remove();
  }
  document.getElementById('found').textContent = JSON.stringify(all);
})();
"""


def browser() -> str | None:
    """The program, where there is one."""
    return next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )


def faults(pages: Iterable[Path], width: int, look: str) -> dict[str, list[str]]:
    """Page -> what is wrong with it, nothing for what is as it should be. Raises RuntimeError where the browser ends
    early."""
    program = browser()
    if program is None:
        raise RuntimeError("there is no Chromium on the path")
    urls = {path.resolve().as_uri(): str(path) for path in pages}
    given = f"const PAGES = {json.dumps(list(urls))}, WIDTH = {width}, LEAST = {CONTRAST};"
    with tempfile.TemporaryDirectory(prefix="metrigen-") as folder:
        (page := Path(folder, "look.html")).write_text(
            f"<!doctype html><body><pre id=found></pre><script>{given}{SCRIPT}</script>", encoding="utf-8"
        )
        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
                   "--disable-web-security", f"--user-data-dir={folder}/profile", f"--window-size={width + 100},1000",
                   f"--blink-settings=preferredColorScheme={LOOKS[look]}", "--virtual-time-budget=600000",
                   "--dump-dom", page.as_uri()]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    told = re.search(r"<pre id=.?found.?>(\{.*?\})</pre>", done.stdout, re.S)
    if told is None:
        raise RuntimeError(f"{program} said nothing: {done.stderr[-500:]}")
    return {urls[url]: found for url, found in json.loads(html.unescape(told[1])).items()}


def lines(pages: Iterable[Path]) -> Iterator[str]:
    """A line for everything that is wrong, at every width and in both looks."""
    given = list(pages)
    for width in WIDTHS:
        for look in LOOKS:
            for page, found in faults(given, width, look).items():
                yield from (f"{page}, {width} wide, {look}: {fault}" for fault in found)


if __name__ == "__main__":
    many = 0
    for line in lines(map(Path, sys.argv[1:])):
        print(line, flush=True)
        many += 1
    if not many:
        print(f"{len(sys.argv) - 1} pages are as they should be")
    sys.exit(many > 0)
