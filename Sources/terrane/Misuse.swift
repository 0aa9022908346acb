import ArgumentParser
import CommandLineClient

/// What is wrong with a command line, where the parser's own words do not lead on.
enum Misuse {
  /// - Parameters:
  ///   - message: what the parser says.
  ///   - arguments: without the program's name.
  static func text(_ message: String, _ arguments: [String]) -> String {
    if let unknown = unknownCommand(arguments) { return unknown }
    guard let hint = patternHint(message, arguments) else { return message }
    let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
    return (lines.prefix(1) + [hint[...]] + lines.dropFirst()).joined(separator: "\n")
  }

  /// The parser takes a word that is no command for an argument, and complains of what follows it.
  private static func unknownCommand(_ arguments: [String]) -> String? {
    var command: any ParsableCommand.Type = Terrane.self
    var path = Invocation.program
    for word in arguments {
      let known = command.configuration.subcommands
      guard !known.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
      guard let next = known.first(where: { $0.configuration.commandName == word }) else {
        let near = Spelling.nearest(to: word, among: known.compactMap { $0.configuration.commandName })
        let meant = near.map { " Did you mean '\(path) \($0)'?" } ?? ""
        return """
          Error: There is no command '\(path) \(TerminalText.sanitised(word))'.\(meant)
          Usage: \(path) <subcommand>
            See '\(path) --help' for more information.
          """
      }
      command = next
      path += " \(word)"
    }
    return nil
  }

  /// A shell puts the files in place of a pattern that stands without quotes; the first goes to --source, the others nowhere.
  private static func patternHint(_ message: String, _ arguments: [String]) -> String? {
    guard arguments.first == "create", message.contains("nexpected argument"),
      let source = arguments.firstIndex(of: "--source")
    else { return nil }
    let files = arguments[(source + 1)...].prefix { !$0.hasPrefix("-") }.filter(RasterArguments.isRaster)
    return Spelling.pattern(of: Array(files)).map {
      "       If the shell made these of a pattern, quote it: --source '\(TerminalText.sanitised($0))'"
    }
  }
}
