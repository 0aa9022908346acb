import ArgumentParser
import CommandLineClient
import Foundation

/// The command line of a Terrane server.
struct Terrane: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: Invocation.program,
    abstract: "Turns geodata into served datasets, and shows how far they are.",
    discussion: """
      EXAMPLES
        \(Invocation.program) create demo/roads/v1 --source roads.gpkg --watch
        \(Invocation.program) list
        \(Invocation.program) watch demo/roads/v1
        \(Invocation.program) get demo/roads/v1 --json
        \(Invocation.program) delete demo/roads/v1 --purge

      A dataset is named ID/RESOURCE/VERSION, @NAMESPACE/ID/RESOURCE/VERSION, \
      by its key of 64 hex digits, or by its URL.

      The server of this machine is found by itself. Another one: \
      --server HOST:PORT --credentials DIR, or the variables TERRANE_SERVER, \
      TERRANE_CREDENTIALS and TERRANE_DATA.

      EXIT STATUS
        0  ok                             4  not found, or exists
        1  dataset failed or cancelled    5  input required
        2  bad request                  130  interrupted
        3  server unreachable
      """,
    version: ClientVersion.current,
    subcommands: [
      CreateCommand.self, WatchCommand.self, GetCommand.self, LogCommand.self, ListCommand.self, CancelCommand.self,
      RetryCommand.self, ReprocessCommand.self,
      DeleteCommand.self, UndeleteCommand.self, PurgeCommand.self, HealthCommand.self, CredentialsCommand.self,
      MetricsCommand.self, ServicesCommand.self,
      DescribeCommand.self, CallCommand.self, BenchCommand.self, AdminCommand.self, VersionCommand.self,
    ])
}

/// How this program was called.
enum Invocation {
  /// What a user types to call it; a wrapper script names itself in TERRANE_COMMAND.
  static let program =
    ProcessInfo.processInfo.environment["TERRANE_COMMAND"].flatMap { $0.isEmpty ? nil : $0 } ?? "terrane"
}

@main
enum Main {
  static func main() async {
    Interrupt.install()
    do {
      var command = try Terrane.parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let code as ExitCode {
      exit(code.rawValue)
    } catch {
      let wantsHelp = Terrane.exitCode(for: error) == .success
      let message = Terrane.fullMessage(for: error)
      let text = (wantsHelp ? message : Misuse.text(message, Array(CommandLine.arguments.dropFirst()))) + "\n"
      if wantsHelp { Terminal.output.write(text) } else { Terminal.errors.write(text) }
      exit(wantsHelp ? ExitStatus.ok.rawValue : ExitStatus.badRequest.rawValue)
    }
  }
}
