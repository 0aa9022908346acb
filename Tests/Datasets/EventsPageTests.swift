import DatasetsTesting
import Foundation
import Testing

@testable import Datasets

/// The table of events in docs/operations.md. `TERRANE_UPDATE_DOCS=1` writes it, otherwise it is compared.
@Suite struct EventsPageTests {
  private static let begin = "<!-- events: written by Tests/Datasets/EventsPageTests.swift -->\n"
  private static let end = "<!-- end of events -->\n"

  private static func table() -> String {
    let common = EventEntry.common.map { "`\($0)`" }.joined(separator: ", ")
    var text = """

      Every line has \(common). What else it has:

      | event | level | message | when | further fields |
      |---|---|---|---|---|

      """
    for name in EventName.allCases {
      let entry = EventEntry.entry(name)
      let fields = entry.fields.map { "`\($0)`" }.joined(separator: ", ")
      text += "| `\(name.rawValue)` | \(entry.level) | \(entry.message) | \(entry.meaning) | \(fields) |\n"
    }
    return text + "\n"
  }

  @Test func theTableIsTheCodes() throws {
    let file = TestDatasets.repository.appendingPathComponent("docs/operations.md")
    var page = try String(contentsOf: file, encoding: .utf8)
    let begin = try #require(page.range(of: Self.begin))
    let end = try #require(page.range(of: Self.end))
    if ProcessInfo.processInfo.environment["TERRANE_UPDATE_DOCS"] == "1" {
      page.replaceSubrange(begin.upperBound..<end.lowerBound, with: Self.table())
      try page.write(to: file, atomically: true, encoding: .utf8)
    } else {
      #expect(String(page[begin.upperBound..<end.lowerBound]) == Self.table())
    }
  }
}
