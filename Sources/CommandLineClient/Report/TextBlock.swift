/// Lines of a report: headings, facts in two columns, wrapped to the terminal.
struct TextBlock {
  private(set) var lines: [String] = []
  let columns: Int

  init(columns: Int) { self.columns = max(40, columns) }

  mutating func line(_ text: String = "") { lines.append(text) }

  /// Label and value; a long value goes on below itself. Nothing where the value is empty.
  mutating func fact(_ label: String, _ value: String, labelColumns: Int = 15) {
    let wrapped = value.split(separator: "\n").flatMap {
      TerminalText.wrapped(String($0), to: columns - 2 - labelColumns)
    }
    for (index, text) in wrapped.enumerated() {
      let room = TerminalText.padded(index == 0 ? label : "", to: labelColumns)
      // A label that is too long for its column keeps apart from its value.
      lines.append("  " + room + (index == 0 && TerminalText.width(label) >= labelColumns ? "  " : "") + text)
    }
  }

  /// Rows under each other; the last column is not padded.
  mutating func table(_ rows: [[String]], indent: Int = 4) {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in
      rows.map { column < $0.count ? TerminalText.width($0[column]) : 0 }.max() ?? 0
    }
    for row in rows {
      let cells = row.enumerated().map { index, cell in
        index == row.count - 1 ? cell : TerminalText.padded(cell, to: widths[index] + 2)
      }
      var text = String(repeating: " ", count: indent) + cells.joined()
      while text.hasSuffix(" ") { text.removeLast() }
      lines.append(text)
    }
  }

  var text: String { lines.map { $0 + "\n" }.joined() }
}
