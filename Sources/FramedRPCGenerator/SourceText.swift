/// Lines of source with an indentation.
struct SourceText {
  private(set) var lines: [String] = []
  private var depth = 0
  private let unit: String

  init(unit: String = "  ") {
    self.unit = unit
  }

  mutating func line(_ text: String = "") {
    lines.append(text.isEmpty ? "" : String(repeating: unit, count: depth) + text)
  }

  mutating func lines(_ texts: [String]) {
    for text in texts { line(text) }
  }

  mutating func removeLast() { lines.removeLast() }

  /// A doc comment; nothing where there is none.
  mutating func documentation(_ texts: [String]) {
    for text in texts { line(text.isEmpty ? "///" : "/// " + text) }
  }

  /// What `body` writes, one step further in.
  mutating func indented(_ body: (inout SourceText) -> Void) {
    depth += 1
    body(&self)
    depth -= 1
  }

  /// A `switch`: its cases stand below its opening.
  mutating func cases(_ opening: String, _ body: (inout SourceText) -> Void) {
    line(opening)
    body(&self)
    line("}")
  }

  /// `opening` ends with its brace; `body` is indented; the closing brace follows.
  mutating func block(_ opening: String, closing: String = "}", _ body: (inout SourceText) -> Void) {
    line(opening)
    indented(body)
    line(closing)
  }

  var text: String { lines.joined(separator: "\n") + "\n" }
}
