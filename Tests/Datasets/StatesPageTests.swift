import CoreMachine
import Datasets
import DatasetsTesting
import Foundation
import Testing

/// docs/dataset-states.md is drawn from the tables the code uses. `TERRANE_UPDATE_DOCS=1` writes it, otherwise it is compared.
@Suite struct StatesPageTests {
  private static func page() -> String {
    let moves = DatasetState.transitions.map { "  \($0.from.rawValue) --> \($0.to.rawValue): \($0.move.rawValue)" }
    var text = """
      # States of a dataset

      Drawn from `Sources/Datasets/Lifecycle/` by a test (`TERRANE_UPDATE_DOCS=1 swift test --filter StatesPage`). The database
      refuses every other move (`datasets.transitions`). The states of operations, jobs and tasks are in
      [state-machines.md](state-machines.md).

      ```mermaid
      stateDiagram-v2
        [*] --> DRAFT: create
      \(moves.joined(separator: "\n"))
        PURGED --> [*]
      ```

      ## What a client sees

      The outward status is a view on the dataset's state and its operation: the one under way, else the last.

      | dataset | operation | planned | status | served |
      |---|---|---|---|---|

      """
    for state in DatasetState.allCases {
      for operation in OperationState.allCases {
        for planned in [false, true] where state == .draft || planned {
          let status = OutwardStatus(dataset: state, operation: operation, isPlanned: planned)
          let plan = state == .draft ? (planned ? "yes" : "no") : "–"
          text += "| \(state.rawValue) | \(operation.rawValue) | \(plan) | \(status.rawValue) "
          text += "| \(state.isServed ? "yes" : "no") |\n"
        }
      }
    }
    return text
  }

  @Test func thePageIsTheTables() throws {
    let file = TestDatasets.repository.appendingPathComponent("docs/dataset-states.md")
    if ProcessInfo.processInfo.environment["TERRANE_UPDATE_DOCS"] == "1" {
      try Self.page().write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == Self.page())
  }
}
