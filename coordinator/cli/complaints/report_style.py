"""How the page of a report looks: light or dark as the reader likes it, legible on paper, fonts that are there."""

STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --card: #f5f7fa; --text: #1b2733; --soft: #55636f; --edge: #d5dce3;
  --c0: #1565c0; --c1: #c2570c; --c2: #2e7d32; --c3: #7b3fa0; --c4: #00798c; --c5: #b3261e; --c6: #5d6670; }
@media (prefers-color-scheme: dark) { :root { --back: #12181f; --card: #1b242e; --text: #e6ebf0; --soft: #a3b0bc;
  --edge: #35424f; --c0: #64b0ff; --c1: #ffab66; --c2: #7fd18a; --c3: #cf9bf0; --c4: #5fd3e3; --c5: #ff8a80;
  --c6: #b5c0ca; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 24px; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 4px; } h2 { font-size: 1.2rem; margin: 40px 0 12px; }
p { margin: 0 0 8px; } .soft, caption, figcaption { color: var(--soft); }
.missing { border: 1px solid var(--c5); border-left-width: 6px; border-radius: 6px; padding: 10px 14px;
  margin: 16px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px;
  margin: 20px 0; padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--edge); border-radius: 8px; padding: 12px 14px; }
.tiles b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
figure { margin: 0 0 8px; max-width: 1072px; background: var(--card); border: 1px solid var(--edge);
  border-radius: 8px; padding: 14px; }
figcaption { font-size: .9rem; } svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--text); font-size: 13px; } .grid { stroke: var(--edge); stroke-width: 1; }
.track { fill: var(--edge); opacity: .45; } .line { fill: none; stroke-width: 2.5; }
.series-0 { fill: var(--c0); } .series-1 { fill: var(--c1); } .series-2 { fill: var(--c2); }
.series-3 { fill: var(--c3); } .series-4 { fill: var(--c4); }
.series-5 { fill: var(--c5); } .series-6 { fill: var(--c6); }
.line-0 { stroke: var(--c0); } .line-1 { stroke: var(--c1); } .line-2 { stroke: var(--c2); }
.line-3 { stroke: var(--c3); } .line-4 { stroke: var(--c4); }
.line-5 { stroke: var(--c5); } .line-6 { stroke: var(--c6); }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; margin: 8px 0 0; padding: 0; font-size: .9rem; }
.key svg { display: inline-block; width: 12px; height: 12px; margin-right: 6px; vertical-align: -1px; }
.scroll { overflow-x: auto; margin-bottom: 28px; } .scroll:focus-visible { outline: 2px solid var(--c0); }
table { border-collapse: collapse; width: 100%; font-size: .8rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 6px; } th, td { padding: 6px 4px; text-align: right; white-space: nowrap; }
th[scope=row], thead th.name, .words { text-align: left; } th[scope=row], .words { white-space: normal; }
th.whole { white-space: nowrap; }
thead th { border-bottom: 2px solid var(--edge); white-space: normal; vertical-align: bottom; }
.dense thead th:not(.name):lang(en) { writing-mode: vertical-rl; transform: rotate(180deg); vertical-align: top;
  text-align: left; white-space: nowrap; }
tbody tr:nth-child(odd) { background: var(--card); } dt { font-weight: 600; } dd { margin: 0 0 8px; }
@media print { body { max-width: none; padding: 0; } figure, tr { break-inside: avoid; } }
"""
