#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// An element of a page or picture. Its text is its own, without that of its children.
struct Element {
    std::string name = {};
    std::map<std::string, std::string> attributes = {};
    std::string text = {};
    std::vector<Element> children = {};

    double number(const std::string& attribute) const { return std::stod(attributes.at(attribute)); }
    bool is(const std::string& style) const {
        const auto found = attributes.find("class");
        return found != attributes.end() && (" " + found->second + " ").find(" " + style + " ") != std::string::npos;
    }
};

/// All elements below (and with) `root` that match, in the order of the document.
template <class Match>
std::vector<const Element*> all_of(const Element& root, Match match) {
    std::vector<const Element*> found;
    if (match(root)) found.push_back(&root);
    for (const Element& child : root.children)
        for (const Element* element : all_of(child, match)) found.push_back(element);
    return found;
}
template <class Match>
std::vector<const Element*> all_of(Element&& gone_at_once, Match) = delete;

inline std::vector<const Element*> all_named(const Element& root, const std::string& name) {
    return all_of(root, [&](const Element& element) { return element.name == name; });
}
std::vector<const Element*> all_named(Element&& gone_at_once, const std::string& name) = delete;

inline bool valid_utf8(std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size();) {
        const auto byte = [&](std::size_t at) {
            return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : std::uint32_t{0};
        };
        const std::uint32_t first = byte(i);
        const std::size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        if (length == 0 || first > 0xF4) return false;
        std::uint32_t point = length == 1 ? first : first & (0x7Fu >> length);
        for (std::size_t j = 1; j < length; ++j) {
            if ((byte(i + j) & 0xC0) != 0x80) return false;
            point = point << 6 | (byte(i + j) & 0x3F);
        }
        constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
        if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
        i += length;
    }
    return true;
}

/// A strict reader: every element closed, every attribute quoted and there once, every `<` and `&` of a text escaped.
/// XML, or the HTML of which XML is made: elements that close themselves, scripts, names for characters.
class Markup {
public:
    enum class Kind { xml, html };

    /// Throws where the text is not one well-formed element.
    static Element read(std::string_view text, Kind kind = Kind::xml) {
        Markup reader(text, kind);
        if (kind == Kind::html) reader.expect("<!doctype html>");
        reader.skip_space();
        Element root = reader.element();
        reader.skip_space();
        if (!reader.rest_.empty()) reader.fail("something behind the last element");
        return root;
    }

private:
    Markup(std::string_view text, Kind kind) : rest_(text), kind_(kind) {}

    [[noreturn]] void fail(const std::string& what) const {
        throw std::runtime_error(what + " before: " + std::string(rest_.substr(0, 60)));
    }
    bool at(std::string_view start) const { return rest_.substr(0, start.size()) == start; }
    void expect(std::string_view start) {
        if (!at(start)) fail("no " + std::string(start));
        rest_.remove_prefix(start.size());
    }
    void skip_space() {
        while (!rest_.empty() && std::string_view(" \n\t\r").find(rest_[0]) != std::string_view::npos)
            rest_.remove_prefix(1);
    }
    /// All up to `end`, which is passed over.
    std::string_view until(std::string_view end) {
        const std::size_t length = rest_.find(end);
        if (length == std::string_view::npos) fail("no " + std::string(end) + " to come");
        const std::string_view part = rest_.substr(0, length);
        rest_.remove_prefix(length + end.size());
        return part;
    }
    std::string word() {
        std::size_t length = 0;
        while (length < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[length])) != 0 ||
                                         std::string_view("-_:").find(rest_[length]) != std::string_view::npos))
            ++length;
        if (length == 0) fail("no name");
        const std::string name(rest_.substr(0, length));
        rest_.remove_prefix(length);
        return name;
    }

    Element element() {
        expect("<");
        Element e{.name = word()};
        for (skip_space(); !at(">") && !at("/>"); skip_space()) attribute(e);
        if (kind_ == Kind::html && (e.name == "meta" || e.name == "br")) return expect(">"), e;
        if (at("/>")) return expect("/>"), e;
        expect(">");
        if (kind_ == Kind::html && (e.name == "script" || e.name == "style"))
            return e.text = until("</" + e.name + ">"), e;
        while (!at("</")) {
            if (rest_.empty()) fail("<" + e.name + "> is never closed");
            if (at("<"))
                e.children.push_back(element());
            else
                e.text += characters("<");
        }
        expect("</" + e.name + ">");
        return e;
    }

    void attribute(Element& e) {
        const std::string name = word();
        std::string value;
        if (kind_ == Kind::xml || at("=")) {
            expect("=\"");
            value = characters("\"");
            expect("\"");
        }
        if (!e.attributes.emplace(name, value).second) fail(name + " comes twice");
    }

    /// Up to one of `ends`, escapes undone.
    std::string characters(const char* ends) {
        std::string text;
        while (!rest_.empty() && std::string_view(ends).find(rest_[0]) == std::string_view::npos) {
            if (at("<")) fail("a < that is not escaped");
            if (at("&")) {
                text += escape();
                continue;
            }
            if (kind_ == Kind::xml && static_cast<unsigned char>(rest_[0]) < 0x20 && !at("\n") && !at("\t"))
                fail("a control character");
            text += rest_[0];
            rest_.remove_prefix(1);
        }
        return text;
    }

    std::string escape() {
        static const std::map<std::string, std::string, std::less<>> xml{
            {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}};
        static const std::map<std::string, std::string, std::less<>> html{
            {"micro", "\u00B5"}, {"ndash", "\u2013"}, {"plusmn", "\u00B1"}, {"frac14", "\u00BC"}, {"frac12", "\u00BD"}};
        expect("&");
        const std::string_view name = rest_.substr(0, std::min<std::size_t>(rest_.find(';'), 8));
        const auto known = xml.find(name), more = html.find(name);
        std::string character = known != xml.end()                          ? known->second
                                : kind_ == Kind::html && more != html.end() ? more->second
                                : at("#")                                   ? numbered(name.substr(1))
                                                                            : "";
        if (character.empty()) fail("an & that is not escaped");
        rest_.remove_prefix(name.size());
        expect(";");
        return character;
    }

    static std::string numbered(std::string_view digits) {
        const bool hexadecimal = !digits.empty() && digits[0] == 'x';
        const std::string text(digits.substr(hexadecimal ? 1 : 0));
        const unsigned long point = std::stoul(text, nullptr, hexadecimal ? 16 : 10);
        if (point < 0x80) return {static_cast<char>(point)};
        const auto tail = [&](unsigned shift) { return static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
        if (point < 0x800) return {static_cast<char>(0xC0 | (point >> 6)), tail(0)};
        return {static_cast<char>(0xE0 | (point >> 12)), tail(6), tail(0)};
    }

    std::string_view rest_;
    Kind kind_;
};
