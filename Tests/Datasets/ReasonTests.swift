import CoreMachine
import Datasets
import DatasetsTesting
import Foundation
import JobTypes
import PostgreSQL
import TaskProtocol
import Testing

@Suite struct ReasonTests {
  @Test func everyReasonOfATaskIsInTheTable() {
    for reason in JobTypes.Reason.allCases {
      #expect(ReasonTable.byName[reason.rawValue] != nil, "\(reason.rawValue)")
    }
  }

  /// CoreMachine and its SQL write reasons as plain words; the sources are where they all are.
  @Test func everyReasonOfTheEngineIsInTheTable() throws {
    var found: Set<String> = []
    for folder in ["Sources/CoreMachine", "sql", "Sources/Datasets/Orchestrator", "Sources/Services"] {
      let root = TestDatasets.repository.appendingPathComponent(folder)
      for case let file as URL in FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil) ?? .init() {
        guard ["swift", "sql"].contains(file.pathExtension) else { continue }
        let text = try String(contentsOf: file, encoding: .utf8)
        for match in text.matches(of: /(?:reason: |Reason\(|'reason', )["']([A-Z][A-Z_]+)["']/) {
          found.insert(String(match.1))
        }
      }
    }
    #expect(found.isSuperset(of: ["CRASH_LOOP", "NO_INPUT", "TASK_PROTOCOL", "TOO_MANY_TASKS", "SOURCE_INVALID"]))
    for reason in found { #expect(ReasonTable.byName[reason] != nil, "\(reason)") }
  }

  @Test func everyReasonSaysWhatToDo() {
    for entry in ReasonTable.entries {
      #expect(entry.name.wholeMatch(of: /[A-Z][A-Z_]*[A-Z]/) != nil)
      for text in [entry.meaning, entry.remedy] {
        #expect(text.hasSuffix("."), "\(entry.name)")
        #expect(!text.contains("|") && !text.contains("\n"), "\(entry.name)")
      }
    }
  }

  @Test func aReasonOfANewerVersionKeepsItsName() throws {
    let reason = Datasets.Reason("FROM_THE_FUTURE")
    #expect(reason.name == "FROM_THE_FUTURE")
    #expect(reason.entry.category == .system)
    let problem = try JSONDecoder().decode(
      Problem.self, from: JSONEncoder().encode(Problem(reason, "m", field: "f", details: ["a": "b"])))
    #expect(problem == Problem(reason, "m", field: "f", details: ["a": "b"]))
  }
}
