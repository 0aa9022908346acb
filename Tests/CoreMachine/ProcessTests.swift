import CoreMachine
import CoreMachineTesting
import Foundation
import PostgreSQL
import PostgreSQLTesting
import Testing

/// Real children, well behaved and hostile.
@Suite(.serialized) struct ProcessTests {
  private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appending(path: "scripted-task.py").path

  private static func launcher() -> ProcessLauncher {
    var configuration = ProcessLauncher.Configuration(executable: "/usr/bin/python3")
    configuration.arguments = ["-I", "-S", "-B", script]
    return ProcessLauncher(configuration, logger: EngineFixture.logger)
  }

  private func run(
    _ word: String, kind: String = "probe,verify", expect state: String,
    _ check: (EngineFixture, Int64) async throws -> Void
  ) async throws {
    try await withEngine(slots: 2, launcher: Self.launcher()) { fixture, engine in
      let id = try await fixture.begin(
        subject: 1, kind: kind, parameters: #"{"script":"\#(word)","on":"probe"}"#)
      #expect(try await fixture.reaches(state, id) == state)
      try await check(fixture, id)
      // Removed right after the completion.
      let deadline = ContinuousClock.now + .seconds(10)
      var left = ["?"]
      while !left.isEmpty, ContinuousClock.now < deadline {
        left = try FileManager.default.contentsOfDirectory(atPath: engine.scratchRoot)
        try await Task.sleep(for: .milliseconds(10))
      }
      #expect(left.isEmpty)
    }
  }

  @Test func aChildIsStartedInItsOwnWorld() async throws {
    try await run("environment", expect: "SUCCEEDED") { (fixture, _) async throws in
      #expect(try await member("descriptors", fixture) == "[0,1,2,3]")
      #expect(try await member("oom", fixture) == "900")
      for name in ["group", "privileges", "directory", "temporary"] {
        let holds = try await member(name, fixture)
        #expect(holds == "true", "\(name)")
      }
      #expect(try await member("variables", fixture) == #"["LANG","LC_ALL","PATH","TMPDIR"]"#)
    }
  }

  private func member(_ name: String, _ fixture: EngineFixture) async throws -> String? {
    try await fixture.text("SELECT results[1]->>$1 FROM coremachine.jobs WHERE step = 1", [.text(name)])
  }

  @Test(arguments: ["crash", "exit"])
  func aChildThatDiesIsStartedAgain(_ word: String) async throws {
    try await run(word, expect: "SUCCEEDED") { (fixture, _) async throws in
      #expect(
        try await fixture.text("SELECT min(reason) FROM coremachine.events WHERE to_state = 'WAITING'")
          == "TASK_CRASHED")
    }
  }

  @Test(arguments: ["overlong", "garbage", "link"])
  func aChildThatBreaksTheProtocolFails(_ word: String) async throws {
    try await run(word, expect: "FAILED") { (fixture, _) async throws in
      #expect(try await fixture.text("SELECT problem->>'reason' FROM coremachine.operations") == "TASK_PROTOCOL")
      #expect(try await fixture.text("SELECT max(attempt) FROM coremachine.tasks") == "1")
    }
  }

  @Test func aFloodOfReportsIsThinnedOut() async throws {
    try await run("flood", expect: "SUCCEEDED") { (fixture, _) async throws in
      let written = Int(try await fixture.text("SELECT last FROM coremachine.change_counter") ?? "")
      #expect((written ?? .max) < 500)
    }
  }

  @Test func aLongResultComesInAFile() async throws {
    try await run("file", expect: "SUCCEEDED") { (fixture, _) async throws in
      #expect(
        try await fixture.text("SELECT length(results[1]->>'big') FROM coremachine.jobs WHERE step = 1") == "200000")
    }
  }

  @Test func aChildIsAskedToStop() async throws {
    try await withEngine(slots: 2, launcher: Self.launcher()) { (fixture, _) async throws in
      let id = try await fixture.begin(subject: 1, kind: "probe,verify", parameters: #"{"script":"hang"}"#)
      try await fixture.eventually("wait", "SELECT phase FROM coremachine.progress")
      try await fixture.cancel(id)
      #expect(try await fixture.reaches("CANCELLED", id) == "CANCELLED")
    }
  }

  /// One that does not listen is killed, and what it started with it.
  @Test func aDeafChildIsKilledWithItsChildren() async throws {
    try await withEngine(slots: 2, launcher: Self.launcher()) { (fixture, _) async throws in
      let id = try await fixture.begin(subject: 1, kind: "probe,verify", parameters: #"{"script":"deaf"}"#)
      try await fixture.eventually("deaf", "SELECT phase FROM coremachine.progress")
      let pids = try #require(try await fixture.text("SELECT message FROM coremachine.progress")).split(separator: " ")
        .compactMap { pid_t($0) }
      #expect(pids.count == 2)
      let began = ContinuousClock.now
      try await fixture.cancel(id)
      #expect(try await fixture.reaches("CANCELLED", id) == "CANCELLED")
      #expect(ContinuousClock.now - began < .seconds(2))
      for pid in pids { #expect(await isGone(pid), "\(pid) is alive") }
    }
  }

  /// Not by a zombie's number: a killed grandchild belongs to init until it is reaped.
  private func isGone(_ pid: pid_t) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(5)
    while ContinuousClock.now < deadline {
      guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return true }
      if stat.contains(") Z ") { return true }
      try? await Task.sleep(for: .milliseconds(10))
    }
    return false
  }

  /// The slot's role can work in the attempt's schema and nowhere else, and its sessions end with the child.
  @Test func aSlotsRoleHasItsAttemptsSchemaAndItsSessionsEndWithTheChild() async throws {
    let cluster = try await TestCluster.shared()
    let fixture = try await freshFixture()
    let role = try await cluster.role("terrane_task_0", on: fixture.settings)
    let engine = try await fixture.engine(slots: 1, launcher: Self.launcher()) { settings in
      settings.slots = [WorkerSlot(role: "terrane_task_0", password: role.password ?? "")]
      settings.childDatabase = ChildDatabase(
        host: role.host, port: Int(role.port), database: role.database)
    }
    let id = try await fixture.begin(subject: 1, kind: "load,verify", parameters: #"{"script":"deaf","on":"load"}"#)
    try await fixture.eventually("deaf", "SELECT phase FROM coremachine.progress")
    let child = try await PostgresConnection.connect(role.named("terrane-task/1/1"), on: cluster.thread)
    try await child.execute(script: "CREATE TABLE staging_t1_a1.loaded (n integer)")
    await #expect(throws: PostgresError.self) { try await child.query("SELECT * FROM coremachine.tasks") }
    await #expect(throws: PostgresError.self) { try await child.execute(script: "CREATE SCHEMA mine") }
    try await fixture.cancel(id)
    #expect(try await fixture.reaches("CANCELLED", id) == "CANCELLED")
    await #expect(throws: PostgresError.self) { try await child.query("SELECT 1") }
    #expect(
      try await fixture.eventually("GONE", "SELECT state FROM coremachine.ledger WHERE kind = 'schema'") == "GONE")
    #expect(try await fixture.text("SELECT to_regnamespace('staging_t1_a1')") == nil)
    await engine.stop()
  }
}
