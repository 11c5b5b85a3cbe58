"""The report in a browser: what is seen, read, sorted and printed, at two widths and by night."""

import base64
import io
import shutil

import numpy as np
import pytest
from report_table import planted_run, with_labels

from skmaf.report import report_page

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium, of the extra 'test'")
by = pytest.importorskip("selenium.webdriver.common.by").By
keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
services = pytest.importorskip("selenium.webdriver.chrome.service")

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which is not here"),
    pytest.mark.skipif(CHROMEDRIVER is None, reason="needs chromedriver, which is not here"),
]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
LEAST_CONTRAST = 4.5
VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (360, "dark")]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "planted.report.html"
    path.write_text(report_page(with_labels(planted_run())), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=services.Service(CHROMEDRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def show(browser, path):
    """Open the page at a width, by day or by night, on screen or on paper."""

    def open_page(width=1280, scheme="light", media="screen"):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )
        browser.get(path.as_uri())
        return browser

    return open_page


CONTRASTS = """
function channels(colour) {
  const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
  return [r, g, b, a];
}
function over(top, below) {
  return [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
}
function background(element) {
  if (element === null) return [255, 255, 255, 1];
  const own = channels(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own : over(own, background(element.parentElement));
}
function luminance(colour) {
  const [r, g, b] = colour.map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
document.querySelectorAll("details").forEach((details) => { details.open = true; });
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [];
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  const text = walker.currentNode.textContent.trim();
  const isRead = !element.closest("script, svg title") && element.checkVisibility();
  if (!text || !isRead) continue;
  const behind = background(element);
  const light = [luminance(over(channels(getComputedStyle(element).color), behind)),
                 luminance(behind)].sort((a, b) => b - a);
  found.push([(light[0] + 0.05) / (light[1] + 0.05), text]);
}
return found;
"""


@pytest.mark.parametrize("width, scheme", VIEWS)
def test_text_is_readable_and_nothing_goes_wrong(show, width, scheme):
    browser = show(width, scheme)
    contrasts = browser.execute_script(CONTRASTS)
    assert len(contrasts) > 300
    assert [pair for pair in contrasts if pair[0] < LEAST_CONTRAST] == []
    wide, seen = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen == width
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_night_is_dark(show):
    colours = [
        show(1280, scheme).execute_script(
            "const style = getComputedStyle(document.body);"
            "return [style.backgroundColor, style.color].map((c) => c.match(/\\d+/g).map(Number))"
        )
        for scheme in ("light", "dark")
    ]
    (day, day_ink), (night, night_ink) = np.mean(colours, axis=2)
    assert day > 240 and day_ink < 60
    assert night < 60 and night_ink > 200


ROWS = "return Array.from(document.querySelectorAll('#anomalies tbody tr'), (r) => r.{})"


def column(browser, cell):
    """The texts of a column of the anomalies, in the order in which they stand."""
    return browser.execute_script(ROWS.format(f"cells[{cell}].textContent.trim()"))


def state(header):
    return header.get_attribute("aria-sort")


def test_buttons_sort_by_click(show):
    browser = show()
    row, score = browser.find_elements(by.CSS_SELECTOR, "#anomalies th[aria-sort]")[:2]
    at_first = column(browser, 0)
    assert (state(row), state(score)) == ("none", "ascending")
    row.find_element(by.TAG_NAME, "button").click()
    assert (state(row), state(score)) == ("ascending", "none")
    assert column(browser, 0) == sorted(at_first, key=int) != at_first
    row.find_element(by.TAG_NAME, "button").click()
    assert state(row) == "descending"
    assert column(browser, 0) == sorted(at_first, key=int, reverse=True)
    score.find_element(by.TAG_NAME, "button").click()
    scores = [
        float(value) for value in browser.execute_script(ROWS.format("cells[1].dataset.value"))
    ]
    assert scores == sorted(scores) and column(browser, 0)[:2] == at_first[:2]
    labels = browser.find_elements(by.CSS_SELECTOR, "#anomalies th[aria-sort]")[3]
    labels.find_element(by.TAG_NAME, "button").click()
    assert column(browser, 3) == sorted(column(browser, 3))


def focused(browser):
    return browser.switch_to.active_element


def press(browser, *pressed):
    webdriver.ActionChains(browser).send_keys(*pressed).perform()


def test_the_keyboard_is_enough(show):
    browser = show()
    press(browser, keys.TAB)
    skip = focused(browser)
    assert skip.text == "Skip to the report" and skip.rect["x"] >= 0
    press(browser, keys.ENTER)
    assert focused(browser).get_attribute("id") == "main"
    outlines = set()
    for _ in range(60):
        press(browser, keys.TAB)
        element = focused(browser)
        outlines.add(element.value_of_css_property("outline-style"))
        if element.text == "Row":
            break
    assert element.text == "Row" and outlines == {"solid"}
    at_first = column(browser, 0)
    press(browser, keys.ENTER)
    assert column(browser, 0) == sorted(at_first, key=int)
    press(browser, keys.SPACE)
    assert column(browser, 0) == sorted(at_first, key=int, reverse=True)
    summary = browser.find_element(by.TAG_NAME, "summary")
    browser.execute_script("arguments[0].focus()", summary)
    press(browser, keys.ENTER)
    details = browser.find_element(by.TAG_NAME, "details")
    assert details.get_attribute("open") is not None
    assert details.find_element(by.TAG_NAME, "dd").is_displayed()


def test_wide_tables_scroll_in_themselves(show):
    browser = show(360)
    sizes = browser.execute_script(
        "return Array.from(document.querySelectorAll('.scroll'), (e) => "
        "[e.scrollWidth, e.clientWidth, e.tabIndex, e.getAttribute('role')])"
    )
    assert any(inner > outer for inner, outer, _, _ in sizes)
    assert all(part[2:] == [0, "region"] for part in sizes)


@pytest.mark.parametrize("width", [1280, 390])
def test_what_a_screen_reader_hears(show, width):
    """Tables stay tables on a phone, and charts have names."""
    browser = show(width)
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    heard = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored")
    ]
    roles = [role for role, _ in heard]
    for landmark in ("banner", "main", "navigation", "contentinfo"):
        assert roles.count(landmark) == 1
    n_tables = len(browser.find_elements(by.TAG_NAME, "table"))
    assert roles.count("table") == n_tables
    n_rows = len(browser.find_elements(by.TAG_NAME, "tr"))
    assert roles.count("row") == n_rows
    pictures = [name for role, name in heard if role in ("image", "img")]
    assert len(pictures) == len(browser.find_elements(by.TAG_NAME, "svg"))
    assert all(pictures)


def pixels(browser, selector):
    """An element as it is seen, an array of colours from 0 to 255."""
    from matplotlib.image import imread

    box = browser.execute_script(
        "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return {x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height, scale: 1}",
        selector,
    )
    shot = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": box}
    )
    return 255 * imread(io.BytesIO(base64.b64decode(shot["data"])))[:, :, :3]


def share_of(colour, picture):
    return (np.abs(picture - colour).max(axis=2) < 6).mean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_have_their_colours(show, scheme):
    browser = show(1280, scheme)
    colours = {
        name: browser.execute_script(
            "const probe = document.createElement('p');"
            "probe.style.color = `var(${arguments[0]})`; document.body.append(probe);"
            "const colour = getComputedStyle(probe).color; probe.remove();"
            "return colour.match(/\\d+/g).map(Number)",
            name,
        )
        for name in ("--real", "--drawn", "--odd", "--track")
    }
    marginal = pixels(browser, "#drawn .marginals svg")
    assert 0.1 < share_of(colours["--real"], marginal) < 0.8
    assert share_of(colours["--drawn"], marginal) > 0.005
    assert share_of(colours["--odd"], marginal) == 0
    bar = pixels(browser, "#anomalies .why svg")
    assert share_of(colours["--odd"], bar) > 0.5
    dots = pixels(browser, "#drawn .panel")
    assert dots.std(axis=(0, 1)).min() > 2
    assert share_of(colours["--real"], pixels(browser, "#columns tbody svg")) > 0.1


def test_paper(show):
    browser = show(1280, "dark", media="print")
    shown = browser.execute_script(
        "return ['nav', '#main', 'details'].map((s) => "
        "getComputedStyle(document.querySelector(s)).display)"
    )
    assert shown == ["none", "block", "none"]
    ink = browser.execute_script("return getComputedStyle(document.body).color")
    assert ink == "rgb(0, 0, 0)"
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF") and len(pdf) > 20_000


def test_foreign_scripts_do_not_run(show):
    browser = show()
    browser.execute_script(
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        "document.body.append(script);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')"
    )
    assert browser.execute_script("return window.ran") is None
    refused = [entry["message"] for entry in browser.get_log("browser")]
    assert any("Content Security Policy" in message for message in refused)
