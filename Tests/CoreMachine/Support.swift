import CoreMachine
import CoreMachineTesting
import PostgreSQL
import PostgreSQLTesting

/// A database with the schema, for one test.
func freshFixture() async throws -> EngineFixture {
  let cluster = try await TestCluster.shared()
  let fixture = EngineFixture(try await cluster.freshDatabase(), thread: cluster.thread)
  try await fixture.install()
  return fixture
}

/// A fixture with engines, stopped when the body returns or throws.
func withEngine<T: Sendable>(
  slots: Int = 4, jobTypes: [JobTypeDefinition] = ScriptedChain.jobTypes, garbage: [GarbageRemover] = [],
  launcher: any TaskLauncher = InProcessLauncher(Script.handler),
  adjust: (inout CoreMachineSettings) -> Void = { _ in },
  _ body: (EngineFixture, RunningEngine) async throws -> T
) async throws -> T {
  let fixture = try await freshFixture()
  let engine = try await fixture.engine(
    slots: slots, jobTypes: jobTypes, launcher: launcher, garbage: garbage, adjust: adjust)
  do {
    let value = try await body(fixture, engine)
    await engine.stop()
    fixture.pool.close()
    return value
  } catch {
    await engine.stop()
    fixture.pool.close()
    throw error
  }
}
