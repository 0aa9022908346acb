import CoreMachineTesting
import PostgreSQL
import PostgreSQLTesting
import Testing

/// Two workers, canceller, sweep, reaper and completer over small jobs, in every order.
@Suite(.serialized) struct ModelCheckTests {
  @Test(arguments: Scenario.all) func nothingIsEverWrong(_ scenario: Scenario) async throws {
    let fixture = try await freshFixture()
    let connection = try await PostgresConnection.connect(fixture.settings, on: fixture.thread)
    let report = try await Search.run(Scenario.isThorough ? scenario.thorough : scenario, on: connection)
    print(report)
    #expect(report.settled > 1, "it can end in more than one way")
    connection.close()
    fixture.pool.close()
  }

  /// The check is worth what it notices.
  @Test(arguments: Mutation.all) func aGuardThatIsTakenOutIsMissed(_ mutation: Mutation) async throws {
    let violation = try await violation(of: mutation)
    print("\(mutation): \(violation.map { "\($0)" } ?? "not noticed")")
    #expect(violation != nil, "not noticed: \(mutation)")
  }

  /// Said plainly: no order of whole transactions needs these. Two at once do (`InterleavingTests`).
  @Test(arguments: Mutation.redundant) func aGuardAgainstTransactionsAtOnceIsNotMissedHere(_ mutation: Mutation)
    async throws
  {
    #expect(try await violation(of: mutation) == nil)
  }

  private func violation(of mutation: Mutation) async throws -> Violation? {
    let fixture = try await freshFixture()
    let connection = try await PostgresConnection.connect(fixture.settings, on: fixture.thread)
    defer {
      connection.close()
      fixture.pool.close()
    }
    let script = try await mutation.script(on: connection)
    do {
      _ = try await Search.run(mutation.scenario, on: connection, changing: [script])
      return nil
    } catch let violation as Violation { return violation }
  }
}
