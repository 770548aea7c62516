// SPDX-License-Identifier: MIT
#include "ctl/residency_page.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "ctl/printable.h"
#include "ctl/sizes.h"

namespace mmapdirfs::ctl {
namespace {

constexpr std::string_view kColours = R"(
:root { color-scheme: light dark; --page: #ffffff; --ink: #1f2328; --soft: #59636e;
  --line: #d1d9e0; --out: #e4e8ec; --few: #a9d8b5; --half: #6fbf83; --most: #3ba55a;
  --all: #157a35; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --ink: #f0f6fc; --soft: #9198a1;
  --line: #3d444d; --out: #262c35; --few: #1d4a2b; --half: #24703c; --most: #2ea04f;
  --all: #6ee78c; } }
.few { fill: var(--few); } .half { fill: var(--half); } .most { fill: var(--most); }
.all { fill: var(--all); } .out { fill: var(--out); }
)";

constexpr std::string_view kPageStyle = R"(
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 14px/1.45 system-ui, sans-serif; }
header { position: sticky; top: 0; background: var(--page); border-bottom: 1px solid var(--line);
  padding: 12px 20px; display: flex; flex-wrap: wrap; gap: 6px 20px; align-items: center; }
h1 { font-size: 17px; margin: 0; overflow-wrap: anywhere; }
header p { margin: 0; color: var(--soft); }
.legend { display: flex; align-items: center; gap: 4px; }
.legend svg { width: 14px; height: 14px; }
.tools { margin-left: auto; display: flex; gap: 8px; }
input, select { font: inherit; color: inherit; background: var(--page);
  border: 1px solid var(--line); border-radius: 6px; padding: 3px 8px; }
ul { list-style: none; margin: 0; padding: 6px 20px 40px; }
li { display: grid; grid-template-columns: minmax(120px, 30%) 1fr 52px 82px; gap: 14px;
  align-items: center; padding: 2px 0; }
li:hover { background: color-mix(in srgb, var(--line) 35%, transparent); }
li[hidden] { display: none; }
.name { font: 12.5px ui-monospace, monospace; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.bar { display: block; width: 100%; height: 13px; }
.figure { text-align: right; font-variant-numeric: tabular-nums; color: var(--soft); }
@media (max-width: 600px) { li { grid-template-columns: 1fr 52px 82px; }
  .bar { grid-row: 2; grid-column: 1 / -1; } }
)";

// Without it the page shows all in its first order.
constexpr std::string_view kScript = R"(
const list = document.querySelector('ul'), rows = [...list.children];
const filter = document.querySelector('input'), order = document.querySelector('select');
const number = (row, name) => Number(row.dataset[name]);
const orders = {
  given: (a, b) => number(a, 'place') - number(b, 'place'),
  most: (a, b) => number(b, 'resident') - number(a, 'resident'),
  least: (a, b) => number(a, 'share') - number(b, 'share'),
  size: (a, b) => number(b, 'size') - number(a, 'size'),
};
document.querySelector('.tools').hidden = false;
filter.addEventListener('input', () => rows.forEach(row => {
  row.hidden = !row.firstElementChild.textContent.toLowerCase().includes(filter.value.toLowerCase());
}));
order.addEventListener('change', () => list.append(...rows.sort(orders[order.value])));
)";

constexpr std::array<std::string_view, 5> kClasses = {"out", "few", "half", "most", "all"};

// One shape a run of cells of one shade, in a box that is a unit high and a unit a cell wide.
std::string shapes(const FileResidency& file) {
  std::array<std::string, 5> outlines;
  for (std::size_t i = 0; i < file.cells.size();) {
    const auto shade = shade_of(file.cells[i]);
    std::size_t end = i;
    while (end < file.cells.size() && shade_of(file.cells[end]) == shade) {
      ++end;
    }
    outlines.at(static_cast<std::size_t>(shade)) +=
        fmt::format("M{} 0h{}v1h-{}z", i, end - i, end - i);
    i = end;
  }
  std::string text;
  for (std::size_t i = 0; i < outlines.size(); ++i) {
    if (!outlines.at(i).empty()) {
      text += fmt::format(R"(<path class="{}" d="{}"/>)", kClasses.at(i), outlines.at(i));
    }
  }
  return text;
}

std::string summary_of(const std::vector<FileResidency>& files, const ResidencyPage& page) {
  const auto sum = sum_of(files);
  return fmt::format("{} of {} in memory ({} %), {}, {}", format_size(sum.resident_bytes),
                     format_size(sum.size), percent_of(sum.resident_bytes, sum.size),
                     counted(files.size(), "file"), page.when);
}

std::string describe(const FileResidency& file) {
  return fmt::format("{}: {} of {} in memory", file.path, format_size(file.resident_bytes),
                     format_size(file.size));
}

std::string html_row(const FileResidency& file, std::size_t place) {
  const auto share = percent_of(file.resident_bytes, file.size);
  return fmt::format(
      R"(<li data-place="{}" data-resident="{}" data-share="{}" data-size="{}" title="{}">)"
      R"(<bdi class="name">{}</bdi><svg class="bar" viewBox="0 0 {} 1" preserveAspectRatio="none" )"
      R"(role="img" aria-label="{} %">{}</svg><span class="figure">{} %</span>)"
      R"(<span class="figure">{}</span></li>)"
      "\n",
      place, file.resident_bytes, share, file.size, escape_markup(describe(file)),
      escape_markup(file.path), std::max<std::size_t>(file.cells.size(), 1), share, shapes(file),
      share, format_size(file.size));
}

std::string html_legend() {
  std::string text = R"(<p class="legend">out)";
  for (const auto name : kClasses) {
    text += fmt::format(R"(<svg viewBox="0 0 1 1"><rect class="{}" width="1" height="1"/></svg>)",
                        name);
  }
  return text + "in memory</p>";
}

constexpr unsigned kSvgWidth = 1200;
constexpr unsigned kSvgRow = 18;
constexpr unsigned kSvgTop = 70;
constexpr unsigned kSvgBarLeft = 440;
constexpr unsigned kSvgBarWidth = 580;
constexpr std::size_t kSvgNameColumns = 56;

std::string svg_row(const FileResidency& file, std::size_t place) {
  const auto top = kSvgTop + (place * kSvgRow);
  return fmt::format(
      R"(<g><title>{}</title><text class="name" x="20" y="{}">{}</text>)"
      R"(<svg x="{}" y="{}" width="{}" height="12" viewBox="0 0 {} 1" preserveAspectRatio="none">)"
      R"({}</svg><text class="figure" x="1080" y="{}">{} %</text>)"
      R"(<text class="figure" x="1180" y="{}">{}</text></g>)"
      "\n",
      escape_markup(describe(file)), top + 10,
      escape_markup(
          fit(printable(file.path), std::min(kSvgNameColumns, columns_of(printable(file.path))))),
      kSvgBarLeft, top, kSvgBarWidth, std::max<std::size_t>(file.cells.size(), 1), shapes(file),
      top + 10, percent_of(file.resident_bytes, file.size), top + 10, format_size(file.size));
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string escaped;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string residency_svg(const std::vector<FileResidency>& files, const ResidencyPage& page) {
  const auto height = kSvgTop + (files.size() * kSvgRow) + 20;
  auto text = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}">)"
      "\n<style>{2}text {{ fill: var(--ink); font: 14px system-ui, sans-serif; }}\n"
      ".page {{ fill: var(--page); }} .name {{ font: 11px ui-monospace, monospace; }}\n"
      ".figure {{ font-size: 12px; text-anchor: end; fill: var(--soft); }}\n"
      "text.title {{ font-size: 18px; font-weight: 600; }}</style>\n"
      R"(<rect width="100%" height="100%" class="page"/>)"
      "\n"
      R"(<text class="title" x="20" y="30">{3}</text><text x="20" y="52">{4}</text>)"
      "\n",
      kSvgWidth, height, kColours, escape_markup(page.title),
      escape_markup(summary_of(files, page)));
  for (std::size_t i = 0; i < files.size(); ++i) {
    text += svg_row(files[i], i);
  }
  return text + "</svg>\n";
}

std::string residency_html(const std::vector<FileResidency>& files, const ResidencyPage& page) {
  auto text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}{2}</style>\n</head>\n<body>\n"
      "<header><h1>{0}</h1><p>{3}</p>{4}"
      R"(<div class="tools" hidden><input type="search" placeholder="part of a name" )"
      R"(aria-label="show only names with"><select aria-label="order"><option value="given">by name)"
      R"(<option value="most">most in memory<option value="least">least share in memory)"
      R"(<option value="size">largest</select></div></header>)"
      "\n<ul>\n",
      escape_markup(page.title), kColours, kPageStyle, escape_markup(summary_of(files, page)),
      html_legend());
  for (std::size_t i = 0; i < files.size(); ++i) {
    text += html_row(files[i], i);
  }
  return text + fmt::format("</ul>\n<script>{}</script>\n</body>\n</html>\n", kScript);
}

}  // namespace mmapdirfs::ctl
