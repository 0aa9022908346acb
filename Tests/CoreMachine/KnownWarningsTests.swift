import TaskProtocol
import Testing

@testable import CoreMachine

@Suite struct KnownWarningsTests {
  private func line(_ reason: String, first: Int, detail: String = "d") -> TaskWarning {
    TaskWarning(
      reason: reason, count: Int64(first + 20),
      examples: (first..<first + 20).map { WarningExample(feature: Int64($0), detail: detail) }, first: first)
  }

  @Test func linesAreOneListOfExamples() {
    var known = KnownWarnings()
    for first in stride(from: 0, to: 200, by: 20) {
      let isTaken = known.take(line("b", first: first))
      #expect(isTaken)
    }
    _ = known.take(line("a", first: 0))
    #expect(known.all.map(\.reason) == ["a", "b"])
    #expect(known.all[1].examples.compactMap(\.feature) == (0..<200).map { Int64($0) } && known.all[1].count == 200)
  }

  @Test func whatAHostileChildSaysIsBounded() {
    var known = KnownWarnings()
    let detail = String(repeating: "x", count: 1_000)
    var taken = 0
    for reason in 0..<1_000 {
      for first in stride(from: 0, to: 1_000, by: 20) where known.take(line("r\(reason)", first: first, detail: detail))
      {
        taken += 1
      }
      // Over and over.
      _ = known.take(line("r\(reason)", first: 20, detail: detail))
    }
    #expect(taken == KnownWarnings.reasons * 50)
    let kept = known.all.reduce(0) { $0 + $1.examples.count * detail.count }
    #expect(kept <= KnownWarnings.bytes + KnownWarnings.reasons * 20 * detail.count)
    #expect(known.all.allSatisfy { $0.examples.count >= 20 && $0.count >= 40 }, "counts are told all the same")
  }
}
