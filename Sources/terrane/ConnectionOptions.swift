import ArgumentParser
import CommandLineClient
import Foundation

/// Options that every command has.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print JSON, one object a line; everything else goes to standard error.")
  var json = false
}

/// Options of commands that speak to a server.
struct ConnectionOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The server (default: the one of this machine).", valueName: "host:port"))
  var server: String?

  @Option(
    help: ArgumentHelp(
      "Folder with client.pem, client.key and ca.pem (default: DATA/credentials/local-admin).", valueName: "dir"))
  var credentials: String?

  @Option(
    help: ArgumentHelp(
      "The data directory of this machine's server (default: /var/lib/terrane, else $XDG_DATA_HOME/terrane).",
      valueName: "dir"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "How long to wait for an answer (default 30); while watching, for a server that went away (default 120).",
      valueName: "seconds"))
  var timeout: Double?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let timeout, !(timeout > 0 && timeout <= 1e6) {
      throw ValidationError("--timeout takes a number of seconds above 0.")
    }
  }

  var locator: ServerLocator {
    ServerLocator(
      server: server, credentials: credentials.map(absolute), data: data.map(absolute),
      environment: ProcessInfo.processInfo.environment)
  }

  /// For one call and its repetitions.
  var answerTimeout: Duration { .seconds(timeout ?? 30) }
  /// For an outage in a watch.
  var patience: Duration { .seconds(timeout ?? 120) }
}

/// Relative to the current folder.
func absolute(_ path: String) -> String {
  path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
}
