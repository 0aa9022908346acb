import CoreMachine
import CoreMachineTesting
import Foundation
import PostgreSQL
import Synchronization
import TaskProtocol
import Testing

/// What the engine itself meets before a child runs: told by a reason people can look up, and tried again where that may help.
@Suite struct TroubleTests {
  @Test(arguments: [
    (CocoaError(.fileWriteOutOfSpace) as any Error, "DISK_FULL"),
    (PostgresError(.server, "no space left on device", sqlState: "53100"), "DISK_FULL"),
    (PostgresError(.commitOutcomeUnknown, "the server closed the connection"), "DATABASE_UNAVAILABLE"),
  ])
  func whatMayPassIsTriedAgain(_ trouble: any Error, _ reason: String) async throws {
    try await withEngine(launcher: OnceInTrouble(trouble)) { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,verify")
      #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
      #expect(
        try await fixture.text(
          "SELECT min(reason) FROM coremachine.events WHERE resource = 'task' AND to_state = 'WAITING'") == reason)
    }
  }

  @Test func whatDoesNotPassFailsAtOnce() async throws {
    try await withEngine(launcher: OnceInTrouble(CocoaError(.fileWriteNoPermission))) { fixture, _ in
      let id = try await fixture.begin(subject: 1, kind: "probe,verify")
      #expect(try await fixture.reaches("FAILED", id) == "FAILED")
      #expect(try await fixture.text("SELECT problem->>'reason' FROM coremachine.operations") == "INTERNAL")
    }
  }
}

/// Starts nothing the first time.
private final class OnceInTrouble: TaskLauncher {
  private let trouble: Mutex<(any Error)?>
  private let launcher = InProcessLauncher(Script.handler)

  init(_ trouble: any Error) { self.trouble = Mutex(trouble) }

  func launch(
    _ assignment: TaskAssignment, onReport: @escaping @Sendable (TaskReport) -> Void
  ) async throws -> any RunningTask {
    let now = trouble.withLock { trouble in
      defer { trouble = nil }
      return trouble
    }
    if let now { throw now }
    return try await launcher.launch(assignment, onReport: onReport)
  }
}
