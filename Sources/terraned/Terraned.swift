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
    version: TerraneVersion.current)

  @OptionGroup var options: SettingsOptions

  @Flag(help: "Check the settings, print them and exit.")
  var checkConfig = false

  // Not async: an async main has left the main thread before it could become the server's user, and that thread would
  // stay root for ever.
  func run() throws {
    let settings: Settings
    do { settings = try Settings(options) } catch {
      FileHandle.standardError.write(Data("terraned: \(error)\n".utf8))
      throw ExitCode(2)
    }
    if checkConfig {
      print(settings.summary)
      return
    }
    LoggingSystem.bootstrap { JSONLineLogHandler(label: $0, level: settings.logLevel) }
    do {
      try ServerUser.become(settings)
    } catch {
      FileHandle.standardError.write(Data("terraned: \(error)\n".utf8))
      throw ExitCode(1)
    }
    let server = Server(settings)
    Task {
      do {
        try await server.run()
        Self.exit(withError: nil)
      } catch {
        FileHandle.standardError.write(Data("terraned: \(error)\n".utf8))
        Self.exit(withError: ExitCode(1))
      }
    }
    dispatchMain()
  }
}

/// One number for server and protocol of this release.
enum TerraneVersion {
  static let current = "0.1.0"
}
