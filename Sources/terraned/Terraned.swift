internal import ArgumentParser
internal import Foundation
internal import Logging

/// The server: one process that answers calls, runs its private PostgreSQL, workers and the data API.
@main
struct Terraned: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "terraned",
    abstract: "The Terrane server: turns geodata into served datasets.",
    discussion: """
      Every option can also be given as a variable TERRANE_<NAME> (TERRANE_LISTEN, TERRANE_DATA …) or in a YAML file \
      (--config FILE; keys are the options' names). A flag wins over a variable, a variable over the file.
      """,
    version: TerraneVersion.current, subcommands: [BackupCommand.self, RestoreCommand.self, InitSQLCommand.self])

  @OptionGroup var options: SettingsOptions

  @Flag(help: "Check settings and machine, say what would go wrong, and exit: 0 fine, 1 not, 2 unusable settings.")
  var checkConfig = false

  @Flag(help: "With --check-config: as JSON.")
  var json = false

  func validate() throws {
    if json, !checkConfig { throw ValidationError("--json goes with --check-config; the log is JSON anyway") }
  }

  func run() throws {
    let settings = try Self.settings(options)
    if checkConfig {
      let report = ConfigurationCheck.run(settings)
      print(json ? try report.json() : report.text)
      throw ExitCode(report.isUsable ? 0 : 1)
    }
    try Self.main(settings) { try await Server(settings).run() }
  }

  /// The settings in force; exit code 2 where they cannot be used.
  static func settings(_ options: SettingsOptions) throws -> Settings {
    do { return try Settings(options) } catch {
      complain(error)
      throw ExitCode(2)
    }
  }

  /// Becomes the server's user, runs `body` and ends the process.
  ///
  /// Not async: an async main has left the main thread before it could become the server's user, and that thread would stay
  /// root for ever.
  /// - Parameter before: runs as whoever started the process.
  static func main(
    _ settings: Settings, before: () throws -> Void = {}, _ body: @Sendable @escaping () async throws -> Void
  ) throws -> Never {
    LoggingSystem.bootstrap { JSONLineLogHandler(label: $0, level: settings.logLevel) }
    do {
      try before()
      try ServerUser.become(settings)
    } catch {
      complain(error)
      throw ExitCode(1)
    }
    Task {
      do {
        try await body()
        Self.exit(withError: nil)
      } catch {
        complain(error)
        Self.exit(withError: ExitCode(1))
      }
    }
    dispatchMain()
  }

  private static func complain(_ error: any Error) {
    FileHandle.standardError.write(Data("terraned: \(error)\n".utf8))
  }
}

/// One number for server and protocol of this release.
enum TerraneVersion {
  static let current = "0.1.0"
}
