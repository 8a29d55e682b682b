//! One HTML file that needs nothing else.

use std::path::Path;

use super::Report;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .7rem;border-bottom:1px solid #ddd}\
td:nth-child(n+2):nth-child(-n+4){text-align:right;font-variant-numeric:tabular-nums}\
.ok{color:#00694f}.short{color:#b02a00;font-weight:bold}svg{max-width:100%;height:auto;margin:1.5rem 0}";

/// Makes the directory and sees whether it can be written, before hours are spent on what goes into it.
pub(crate) fn prepare(out: &Path) -> Result<(), String> {
    let wrong = |error| {
        format!("the directory {} cannot be written ({error}); name another with --out", out.display())
    };
    std::fs::create_dir_all(out).map_err(wrong)?;
    let trial = out.join(".lab-trial");
    std::fs::write(&trial, b"").map_err(wrong)?;
    std::fs::remove_file(&trial).map_err(wrong)
}

pub(crate) fn save(path: &Path, text: &str) -> Result<(), String> {
    let wrong =
        |error| format!("{} cannot be written ({error}); the table above is complete", path.display());
    std::fs::write(path, text).map_err(wrong)
}

pub(crate) fn page(report: &Report) -> String {
    let title = format!("lab: {}", report.topics.join(", "));
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><table><tr><th>table row<th>theirs<th>ours<th>allowed<th>verdict</tr>"
    );
    for row in &report.rows {
        let cells =
            [&row.name, &row.theirs, &row.ours, &row.allowed].map(|cell| format!("<td>{}", escape(cell)));
        let class = if row.verdict == "-" { "told" } else { row.verdict };
        page.push_str(&format!("<tr>{}<td class=\"{class}\">{}</tr>\n", cells.concat(), row.verdict));
    }
    page.push_str("</table>\n");
    for (_, svg) in &report.plots {
        page.push_str(svg);
        page.push('\n');
    }
    page.push_str("</html>\n");
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
