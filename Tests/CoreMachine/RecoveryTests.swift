import CoreMachine
import CoreMachineTesting
import Foundation
import PostgreSQL
import Testing

/// The whole server is killed, at whatever moment; a new one goes on by itself.
@Suite(.serialized) struct RecoveryTests {
  private static let statements = [
    "claim.statement.1", "claim.commit", "claim.committed", "prepare.statement.2", "prepare.committed",
    "adopt.commit", "completion.statement.1", "completion.marked", "completion.statement.2", "completion.commit",
    "completion.committed", "publish.statement.1", "publish.marked", "publish.statement.2", "publish.statement.3",
    "publish.commit", "publish.committed", "garbage.statement.1", "garbage.commit",
    "garbage.committed",
  ]

  @Test(arguments: statements)
  func aServerKilledAtAnyStatementIsContinuedByTheNext(_ place: String) async throws {
    let fixture = try await freshFixture()
    let doomed = try await Harness(fixture, failPoint: "\(place)=kill")
    let id = try await fixture.begin(subject: 1, kind: "probe,count,load,verify", parameters: #"{"n":5}"#)
    #expect(await doomed.ends(within: .seconds(20)), "it was not killed at \(place)")
    doomed.kill()

    let heir = try await Harness(fixture, name: doomed.name)
    #expect(try await fixture.reaches("SUCCEEDED", id) == "SUCCEEDED")
    #expect(try await fixture.text("SELECT count(*) FROM public.published") == "1")
    #expect(
      try await fixture.text("SELECT string_agg(step::text, ',' ORDER BY step) FROM public.steps") == "2,3,4")
    #expect(try await fixture.text("SELECT count(*) FROM coremachine.tasks WHERE state <> 'SUCCEEDED'") == "0")
    #expect(try await fixture.text("SELECT count(*) FROM coremachine.stages WHERE remaining <> 0") == "0")
    #expect(
      try await fixture.eventually("0", "SELECT count(*) FROM coremachine.ledger WHERE state <> 'GONE'") == "0")
    #expect(try await fixture.text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'staging%'") == "0")
    #expect(try await fixture.text("SELECT count(*) FROM coremachine.leases") == "0")
    heir.kill()
    fixture.pool.close()
  }

  /// Killed again and again while it works on many operations.
  @Test func aServerThatIsKilledOverAndOverLosesNothing() async throws {
    let fixture = try await freshFixture()
    var server = try await Harness(fixture)
    var ids: [Int64] = []
    for round in 0..<6 {
      for _ in 0..<10 {
        ids.append(
          try await fixture.begin(subject: Int64(ids.count), kind: "probe,count,verify", parameters: #"{"n":4}"#))
      }
      try await Task.sleep(for: .milliseconds(Int64(60 + 35 * round)))
      server.kill()
      server = try await Harness(fixture, name: server.name)
    }
    for id in ids { #expect(try await fixture.reaches("SUCCEEDED", id, within: .seconds(30)) == "SUCCEEDED") }
    #expect(try await fixture.text("SELECT count(*) FROM public.published") == "\(ids.count)")
    #expect(try await fixture.text("SELECT count(*) FROM public.steps") == "\(2 * ids.count)")
    #expect(try await fixture.text("SELECT count(*) FROM coremachine.stages WHERE remaining <> 0") == "0")
    server.kill()
  }
}

/// An engine in a process of its own.
final class Harness: Sendable {
  let name: String
  private let process: Process
  private let input = Pipe()

  init(_ fixture: EngineFixture, name: String = "harness-\(UInt64.random(in: 0 ... .max))", failPoint: String? = nil)
    async throws
  {
    self.name = name
    let process = Process()
    // Built beside the tests.
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appending(path: "coremachine-harness")
    let settings = fixture.settings
    process.arguments = [
      settings.host, String(settings.port), settings.database, settings.user, settings.password ?? "", "4", name,
      "/tmp/coremachine-\(name)",
    ]
    process.environment = ProcessInfo.processInfo.environment
    process.environment?["TERRANE_FAILPOINT"] = failPoint
    let output = Pipe()
    process.standardOutput = output
    process.standardInput = input
    try process.run()
    self.process = process
    // "ready", or the end of a process that died while it started.
    _ = try output.fileHandleForReading.read(upToCount: 6)
  }

  func ends(within limit: Duration) async -> Bool {
    let deadline = ContinuousClock.now + limit
    while process.isRunning, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(10)) }
    return !process.isRunning
  }

  func kill() {
    if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    try? FileManager.default.removeItem(atPath: "/tmp/coremachine-\(name)")
  }
}
