import CoreMachineTesting
import Foundation
@testable import CoreMachine

/// A small job to be searched, and how much may go wrong in it: every bound is what keeps the search finite.
struct Scenario: Sendable, CustomStringConvertible {
  var name: String
  /// The chain as `ScriptedChain` reads it.
  var kind: String
  /// Tasks completed before the search begins.
  var done = 0
  /// Both workers are slots of one engine, so that nothing but the attempt tells them apart.
  var sharesEngine = false
  /// Tasks write intents, adopt a thing and report progress.
  var leavesThings = false
  /// Lost leases, altogether.
  var losses = 1
  /// Failed tries, altogether.
  var failures = 1
  /// Tasks may be given back.
  var releases = false
  /// Lost leases that fail a task.
  var crashLoop = 20

  var description: String { name }

  /// Two tasks side by side, then one that publishes: batches, counters, what follows a stage.
  static let fanOut = Scenario(name: "fan-out", kind: "pair,verify", done: 1)
  /// From the very beginning, two steps of one task each: cancelling while QUEUED, publishing, fences of a lost attempt.
  static let chain = Scenario(name: "chain", kind: "probe,verify", sharesEngine: true, losses: 2, crashLoop: 2)
  /// One step of one task which leaves things in the ledger and reports progress.
  static let things = Scenario(
    name: "things", kind: "verify", sharesEngine: true, leavesThings: true, losses: 1, failures: 1)

  static let all = [fanOut, chain, things]

  /// The larger bounds: minutes instead of seconds, for a night or a change to the engine.
  static let isThorough = ProcessInfo.processInfo.environment["TERRANE_MODEL_CHECK"] == "thorough"

  var thorough: Scenario {
    var scenario = self
    scenario.losses += 1
    scenario.failures += 1
    scenario.releases = true
    return scenario
  }

  static let jobTypes = [
    JobTypeDefinition(name: "probe"),
    JobTypeDefinition(
      name: "pair",
      stages: [StageDefinition(name: "list"), StageDefinition(name: "halves", fanOut: .count(parameter: "n"))]),
    JobTypeDefinition(name: "verify", publishes: true),
  ]
  static let types = Dictionary(uniqueKeysWithValues: jobTypes.map { ($0.name, $0) })
  static let parameters = #"{"n":2}"#
}
