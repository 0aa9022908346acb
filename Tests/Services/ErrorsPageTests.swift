import CoreMachine
import Datasets
import DatasetsTesting
import Foundation
import FramedMessages
import FramedRPC
import JobTypes
import PostgreSQL
import ProtobufFacade
import TaskProtocol
import TerraneMessages
import Testing

@testable import Services

/// docs/errors.md is the table of reasons. `TERRANE_UPDATE_DOCS=1` writes it, otherwise it is compared.
@Suite struct ErrorsPageTests {
  private static func page() -> String {
    var text = """
      # Errors

      Every problem names a reason from this table, on the record, in a stream and as an error detail (`terrane.v1.Problem`,
      and `google.rpc.ErrorInfo` with domain `terrane`). The table is written from
      `Sources/Datasets/Problems/ReasonTable.swift` by a test (`TERRANE_UPDATE_DOCS=1 swift test --filter ErrorsPage`);
      change it there. "Status" is the code of a call that is refused for the reason; a failed operation has the same reason
      on its record. "Fixable": the caller can mend it.


      """
    for category in Datasets.Problem.Category.allCases {
      let entries = ReasonTable.entries.filter { $0.category == category }.sorted { $0.name < $1.name }
      text += "## \(category.rawValue.capitalized)\n\n"
      text += "| Reason | Category | Fixable | Meaning | Remedy | Status |\n|---|---|---|---|---|---|\n"
      for entry in entries {
        text +=
          "| `\(entry.name)` | \(entry.category.rawValue) | \(entry.isUserFixable ? "yes" : "no") | \(entry.meaning) "
        text += "| \(entry.remedy) | \(Self.name(Datasets.Reason(entry.name).statusCode)) |\n"
      }
      text += "\n"
    }
    return String(text.dropLast())
  }

  /// gRPC's spelling.
  private static func name(_ code: StatusCode) -> String {
    "\(code)".reduce(into: "") { $0 += $1.isUppercase ? "_\($1)" : $1.uppercased() }
  }

  @Test func thePageIsTheTable() throws {
    let file = TestDatasets.repository.appendingPathComponent("docs/errors.md")
    if ProcessInfo.processInfo.environment["TERRANE_UPDATE_DOCS"] == "1" {
      try Self.page().write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == Self.page())
    for entry in ReasonTable.entries { #expect(Self.page().contains("| `\(entry.name)` |")) }
  }

  @Test func everyReasonThatAMethodNamesIsInTheTable() {
    for method in DatasetServiceMethods.all + AdminServiceMethods.all {
      for reason in method.reasons { #expect(ReasonTable.byName[reason] != nil, "\(method.name): \(reason)") }
      #expect(!method.isUnary || method.defaultTimeout != nil, "\(method.name) states its deadline, for docs/api.md")
    }
    #expect(MethodReasons.general.allSatisfy { ReasonTable.byName[$0.name] != nil })
  }

  @Test func whatGoesWrongBelowIsNotShown() {
    let secret = PostgresError(.server, "relation \"secret\" does not exist", sqlState: "42P01")
    let hidden = RPCError(anything: secret)
    #expect(hidden.code == .internal)
    #expect(!hidden.message.contains("secret"))
    let away = RPCError(anything: PostgresError(.connectionLost, "gone"))
    #expect(away.code == .unavailable)
    #expect(away.retryAfter != nil)
    #expect(!away.refused, "a commit whose answer was lost may have taken effect")
    let noSpace = RPCError(anything: PostgresError(.server, "no room", sqlState: "53100"))
    #expect(noSpace.code == .resourceExhausted && noSpace.message.contains("no space left"))
    let full = RPCError(anything: PostgresError(.overloaded, "full"))
    #expect(full.code == .unavailable)
    #expect(full.refused)
    #expect(RPCError(anything: CancellationError()).code == .cancelled)
    struct Unforeseen: Error { let password = "secret" }
    #expect(!RPCError(anything: Unforeseen()).message.contains("secret"))
  }
}
