#include "stream_report.hpp"

#include <cmath>
#include <string>

#include "csv.hpp"
#include "json.hpp"
#include "plain_page.hpp"
#include "report_charts.hpp"
#include "table.hpp"

namespace compare {
namespace {

/// "tokens 1,025 to 1,536"
std::string place_of(const StreamResults& results, std::size_t block) {
    return "tokens " + grouped(block * results.block + 1) + " to " + grouped((block + 1) * results.block);
}

std::string budget_text(const Cell& cell) { return cell.budget == 0 ? "all" : grouped(cell.budget); }

}  // namespace

std::vector<std::size_t> blocks_to_tell(std::size_t blocks) {
    std::vector<std::size_t> told;
    for (std::size_t block = 1; block < blocks; block *= 2) told.push_back(block - 1);
    if (blocks != 0) told.push_back(blocks - 1);
    return told;
}

std::string stream_answer(const StreamResults& results) {
    std::string text;
    const std::size_t last = results.blocks_read() - 1;
    for (const PositionsIn positions : {PositionsIn::text, PositionsIn::cache}) {
        const StreamRow* best = nullptr;
        for (const StreamRow& row : results.rows) {
            if (row.positions != positions || results.cells[row.cell].budget == 0 || !row.has(last)) continue;
            if (std::isnan(row.loss.nll[last])) continue;
            if (!best || row.loss.nll[last] < best->loss.nll[last]) best = &row;
        }
        if (!best) continue;
        const Cell& cell = results.cells[best->cell];
        text += (text.empty() ? "" : " ") + std::string("With ") + name_of(positions) + " positions " + cell.policy +
                " at " + grouped(cell.budget) + " tokens is best in the last block, " + place_of(results, last) +
                format(": a perplexity of %.2f", best->perplexity(last)) +
                (last == 0 ? "." : format(", in the first block %.2f.", best->perplexity(0)));
    }
    for (const StreamRow& row : results.rows)
        if (results.cells[row.cell].budget == 0 && row.has(last))
            text += (text.empty() ? "" : " ") + format("The full cache: %.2f there, %.2f in the first block.",
                                                       row.perplexity(last), row.perplexity(0));
    return text;
}

std::string stream_table(const StreamResults& results) {
    const int width = detail::name_width(results.cells);
    const auto told = blocks_to_tell(results.blocks_read());
    std::string text = "perplexity of the block that ends at token\n" +
                       format("%-*s %8s %9s ", width, "policy", "budget", "positions");
    for (const std::size_t block : told) text += format(" %9s", grouped((block + 1) * results.block).c_str());
    text += "\n";
    std::size_t budget = 0;
    for (const StreamRow& row : results.rows) {
        const Cell& cell = results.cells[row.cell];
        if (cell.budget != budget) text += "\n";
        budget = cell.budget;
        text += format("%-*s %8s %9s ", width, cell.policy.c_str(), budget_text(cell).c_str(), name_of(row.positions));
        for (const std::size_t block : told)
            text += row.has(block) ? format(" %9.2f", row.perplexity(block)) : format(" %9s", "-");
        text += "\n";
    }
    return text;
}

std::string stream_csv(const StreamResults& results) {
    std::string text = "policy,budget,positions,block,first_token,last_token,nll,ppl,needs,settings\n";
    for (const StreamRow& row : results.rows)
        for (std::size_t block = 0; block < row.loss.nll.size(); ++block) {
            const Cell& cell = results.cells[row.cell];
            text += detail::quoted(cell.policy) +
                    format(",%zu,%s,%zu,%zu,%zu,%.6f,%.5f,", cell.budget, name_of(row.positions), block + 1,
                           block * results.block + 1, (block + 1) * results.block, row.loss.nll[block],
                           row.perplexity(block)) +
                    cell.needs + "," + detail::quoted(cell.settings) + "\n";
        }
    return text;
}

std::string stream_json(const StreamResults& results) {
    Json rows = Json::array();
    for (const StreamRow& row : results.rows) {
        Json json = detail::json_of(results.cells[row.cell]);
        json["positions"] = name_of(row.positions);
        json["state_bytes"] = row.loss.state_bytes;
        json["block_nll"] = row.loss.nll;
        rows.push_back(json);
    }
    return dumped(Json{
               {"version", version()},
               {"task", "stream"},
               {"command", results.command},
               {"date", results.date},
               {"model",
                {{"file", results.model}, {"fingerprint", results.model_fingerprint}, {"context", results.context}}},
               {"text",
                {{"file", results.text}, {"fingerprint", results.text_fingerprint}, {"tokens", results.tokens}}},
               {"bos", results.bos},
               {"block", results.block},
               {"blocks", results.blocks},
               {"seed", results.seed},
               {"scalar", results.scalar},
               {"budget_rule", results.rule},
               {"interrupted", !results.complete()},
               {"rows", rows}}) +
           "\n";
}

std::string stream_page(const StreamResults& results, const std::string& told) {
    std::vector<std::string> policies;
    for (const StreamRow& row : results.rows) policies.push_back(results.cells[row.cell].policy);
    drop_duplicates(policies);
    const bool has_full = std::erase(policies, no_bound) != 0;
    std::string html = plain_page_begin("a long text", "What a long text costs, block by block", policies);
    html += "<p>" + escaped(stream_answer(results)) + "</p>\n<p class=\"soft\">" + escaped(valid_utf8(told)) + "</p>\n";
    if (!results.complete())
        html += "<p><b>Interrupted: " + grouped(results.blocks_read()) + " of " + grouped(results.blocks) +
                " blocks were read.</b></p>\n";
    html += "<ul class=\"key\">";
    if (has_full) html += "<li class=\"curve full\"><span>full</span></li>";
    for (const std::string& policy : policies)
        html += "<li class=\"curve " + detail::style_of(policy) + "\"><span>" + escaped(policy) + "</span></li>";
    html += "</ul>\n<div class=\"charts\">\n";
    for (const std::size_t budget : budgets_of(results.cells))
        for (const PositionsIn positions : {PositionsIn::text, PositionsIn::cache})
            if (const std::string chart = detail::stream_chart(results, budget, positions); !chart.empty())
                html += "<figure><figcaption>" + grouped(budget) + " tokens, " + name_of(positions) +
                        " positions</figcaption>" + chart + "</figure>\n";
    html += "</div>\n<h2>Blocks</h2>\n<div class=\"wide\"><table><tr><th>policy</th><th>budget</th><th>positions</th>";
    const auto blocks = blocks_to_tell(results.blocks_read());
    for (const std::size_t block : blocks) html += "<th>to " + grouped((block + 1) * results.block) + "</th>";
    html += "</tr>\n";
    std::size_t before = 0;
    for (const StreamRow& row : results.rows) {
        const Cell& cell = results.cells[row.cell];
        html += (cell.budget != before ? "<tr class=\"first\"><td>" : "<tr><td>") + escaped(cell.policy) + "</td><td>" +
                budget_text(cell) + "</td><td>" + name_of(row.positions) + "</td>";
        before = cell.budget;
        for (const std::size_t block : blocks)
            html += row.has(block) ? format("<td>%.2f</td>", row.perplexity(block)) : "<td>&ndash;</td>";
        html += "</tr>\n";
    }
    return html + "</table></div>\n" + plain_page_end(results.command, results.date);
}

}  // namespace compare
