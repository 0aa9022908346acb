import CoreMachine
import Credentials
import Datasets
import DatasetsTesting
import FramedMessages
import FramedRPC
import JobTypes
import PostgreSQL
import ProtobufFacade
import Synchronization
import TaskProtocol
import TerraneMessages
import Testing

@testable import Services

@Suite struct WatchTests {
  /// What a stream said until it ended, or until `enough`.
  private func events(
    _ client: DatasetServiceClient, _ dataset: Dataset, follow: Bool = false, resume: Resume? = nil,
    each: (WatchEvent<DatasetStatus>) async throws -> Bool = { _ in true }
  ) async throws -> [WatchEvent<DatasetStatus>] {
    var events: [WatchEvent<DatasetStatus>] = []
    var options = CallOptions(timeout: .seconds(20))
    options.resume = resume
    let stream = client.watchStatus(WatchStatusRequest(dataset: .key(dataset), follow: follow), options: options)
    for try await event in stream {
      events.append(event)
      if try await !each(event) { break }
    }
    return events
  }

  private func made(_ name: String = #function) async throws -> (World, DatasetServiceClient, Dataset) {
    let world = try await World.shared()
    let client = try await world.client(.editor)
    return (world, client, try #require(try await client.createDataset(World.create(try World.name(name))).dataset))
  }

  private func checkOrder(_ events: [WatchEvent<DatasetStatus>]) {
    let values = events.filter { !$0.isBookmark }.map(\.seq)
    #expect(zip(values, values.dropFirst()).allSatisfy { $0 < $1 }, "\(values)")
    #expect(events.allSatisfy { $0.epoch == World.epoch })
  }

  @Test(.timeLimit(.minutes(1))) func theNewestFirstThenEveryChangeThenTheEnd() async throws {
    let (world, client, dataset) = try await made()
    let record = try await world.record(dataset)
    var statuses: [Status] = []
    let events = try await events(client, dataset) { event in
      guard let status = event.message?.status else { return true }
      statuses.append(status)
      // Each change is waited for before the next is made.
      switch statuses.count {
      case 1: try await world.driver.start(record)
      case 2, 3, 4, 5: try await world.driver.succeed(record)
      default: break
      }
      return true
    }
    #expect(statuses == [.requested, .provisioning, .processing, .processing, .processing, .ready])
    checkOrder(events)
    let first = try #require(events.first)
    #expect(first.seq == UInt64(dataset.statusSeq))
    #expect(!first.snapshot)
    let last = try #require(events.last { !$0.isBookmark }?.message)
    #expect(last.result?.endpoint == "http://data.test/api/data/\(try #require(dataset.name?.datasetID))/r/v1")
    #expect(last.result?.collections.first?.columns.isEmpty == true)
    #expect(last.result?.collections.first?.columnCount == 1)
    #expect(last.operation?.state == .succeeded)
    #expect(events.last?.safeSeq == events.last { !$0.isBookmark }?.seq)
  }

  @Test(.timeLimit(.minutes(1)), arguments: ["failed", "cancelled", "deleted"])
  func whateverEndsTheOperationEndsTheStream(_ end: String) async throws {
    let (world, client, dataset) = try await made("ends-\(end)")
    let record = try await world.record(dataset)
    let events = try await events(client, dataset) { event in
      if event.message?.status == .requested {
        switch end {
        case "failed":
          try await world.driver.start(record)
          try await world.driver.fail(record, "CRS_MISSING")
        case "cancelled": _ = try await client.cancelDataset(CancelDatasetRequest(dataset: .key(dataset)))
        default: _ = try await client.deleteDataset(DeleteDatasetRequest(dataset: .key(dataset)))
        }
      }
      return true
    }
    checkOrder(events)
    let last = try #require(events.last { !$0.isBookmark }?.message)
    #expect("\(last.status)" == end)
    #expect(last.problem?.reason == (end == "failed" ? "CRS_MISSING" : nil))
    if end == "failed" { #expect(last.problem?.remedy.contains("crs") == true) }
  }

  @Test(.timeLimit(.minutes(1))) func ofOneThatHasEnded() async throws {
    let (world, client, dataset) = try await made()
    try await world.driver.publish(try await world.record(dataset))
    let events = try await events(client, dataset)
    #expect(events.filter { !$0.isBookmark }.map { $0.message?.status } == [.ready])
  }

  @Test(.timeLimit(.minutes(1))) func resumingAtTheLastNumberSaysNothingTwice() async throws {
    let (world, client, dataset) = try await made()
    try await world.driver.publish(try await world.record(dataset))
    let seen = try #require(try await events(client, dataset).last { !$0.isBookmark }?.seq)
    let resumed = try await events(client, dataset, resume: Resume(epoch: World.epoch, afterSeq: seen))
    #expect(resumed.allSatisfy { $0.isBookmark })
    // One before: exactly what is newer.
    let behind = try await events(client, dataset, resume: Resume(epoch: World.epoch, afterSeq: seen - 1))
    #expect(behind.filter { !$0.isBookmark }.map(\.seq) == [seen])
    #expect(behind.allSatisfy { !$0.snapshot })
  }

  @Test(.timeLimit(.minutes(1)), arguments: [true, false]) func resumingInAnotherHistory(_ isOver: Bool) async throws {
    let (world, client, dataset) = try await made("history-\(isOver)")
    if isOver { try await world.driver.publish(try await world.record(dataset)) }
    let now = try await world.record(dataset).statusSeq
    for resume in [
      Resume(epoch: World.epoch + 1, afterSeq: UInt64(now)), Resume(epoch: World.epoch, afterSeq: UInt64(Int64.max)),
      Resume(epoch: World.epoch, afterSeq: .max),
    ] {
      let events = try await events(client, dataset, resume: resume) { isOver || !$0.isBookmark }
      let first = try #require(events.first)
      #expect(first.snapshot)
      #expect(first.seq == UInt64(now))
      #expect(first.message?.status == (isOver ? .ready : .requested))
      // The snapshot is whole before the stream ends: the next resume may start from here.
      if isOver { #expect(events.last?.safeSeq == UInt64(now)) }
    }
  }

  /// The feed may tell a stream of the record before the watch has read it itself.
  @Test(.timeLimit(.minutes(1))) func aSnapshotEndsWhoeverReadTheRecord() async throws {
    let (world, client, dataset) = try await made()
    try await world.driver.publish(try await world.record(dataset))
    let record = try await world.record(dataset)
    let feed = Task {
      while !Task.isCancelled {
        try await world.services.hub.changed([record.pk], upTo: record.statusSeq)
        await Task.yield()
      }
    }
    defer { feed.cancel() }
    for _ in 0..<40 {
      let events = try await events(client, dataset, resume: Resume(epoch: World.epoch + 1, afterSeq: 1))
      #expect(events.first?.snapshot == true)
      #expect(events.last?.safeSeq == UInt64(record.statusSeq))
    }
  }

  @Test(.timeLimit(.minutes(1))) func followStaysUntilThePurgeIsOver() async throws {
    let (world, client, dataset) = try await made()
    let record = try await world.record(dataset)
    let ref = DatasetRef.key(dataset)
    var statuses: [Status] = []
    let events = try await events(client, dataset, follow: true) { event in
      guard let status = event.message?.status else { return true }
      if statuses.last != status { statuses.append(status) } else { return true }
      switch (statuses.count, status) {
      case (1, .requested): _ = try await client.cancelDataset(CancelDatasetRequest(dataset: ref))
      case (2, .cancelled): _ = try await client.retryDataset(RetryDatasetRequest(dataset: ref))
      case (3, .requested): _ = try await client.deleteDataset(DeleteDatasetRequest(dataset: ref))
      case (4, .deleted):
        _ = try await client.purgeDataset(PurgeDatasetRequest(dataset: ref))
        try await world.datasets.finishPurge(record.pk)
      default: Issue.record("\(statuses)")
      }
      return true
    }
    #expect(statuses == [.requested, .cancelled, .requested, .deleted])
    checkOrder(events)
    _ = await refusal(.notFound) {
      for try await _ in client.watchStatus(WatchStatusRequest(dataset: ref, follow: true)) {}
    }
    #expect(try await client.getDataset(GetDatasetRequest(dataset: ref, showDeleted: true)).state == .purged)
  }

  @Test(.timeLimit(.minutes(1))) func manyWatchersUnderFire() async throws {
    let (world, client, dataset) = try await made()
    let record = try await world.record(dataset)
    let watchers = try await withThrowingTaskGroup(of: [WatchEvent<DatasetStatus>].self) { group in
      for index in 0..<24 {
        group.addTask {
          // Some come while the changes are under way.
          if index.isMultiple(of: 2) { try await Task.sleep(for: .milliseconds(index * 3)) }
          return try await events(client, dataset)
        }
      }
      group.addTask {
        try await world.driver.start(record)
        for n in 0..<60 { _ = try await world.touch([record.pk], told: n.isMultiple(of: 3)) }
        for _ in 0..<4 { try await world.driver.succeed(record) }
        return []
      }
      return try await group.reduce(into: []) { $0.append($1) }.filter { !$0.isEmpty }
    }
    #expect(watchers.count == 24)
    let final = UInt64(try await world.record(dataset).statusSeq)
    for events in watchers {
      checkOrder(events)
      let last = events.last { !$0.isBookmark }
      #expect(last?.message?.status == .ready)
      #expect(last?.seq == final)
    }
  }

  private final class Numbers: Sendable {
    let all = Mutex<Set<UInt64>>([])
    /// Places of the datasets whose first status has come.
    let begun = Mutex<Set<Int>>([])
  }

  /// Changes that come without their record are read: of a few datasets with the change itself, of more what changed first
  /// and then what is watched. Those that come with it need no read.
  @Test(.timeLimit(.minutes(1)), arguments: [1, StatusHub.few + 8], [true, false])
  func manyDatasetsAreWatchedAtOnce(_ count: Int, told: Bool) async throws {
    let world = try await World.shared()
    let client = try await world.client(.editor)
    var datasets: [Dataset] = []
    for _ in 0..<count {
      datasets.append(try #require(try await client.createDataset(World.create(try World.name())).dataset))
    }
    let seen = Numbers()
    let all = try await withThrowingTaskGroup(of: [WatchEvent<DatasetStatus>].self) { group in
      for (place, dataset) in datasets.enumerated() {
        group.addTask {
          try await events(client, dataset) { event in
            seen.all.withLock { _ = $0.insert(event.seq) }
            if event.message != nil { seen.begun.withLock { _ = $0.insert(place) } }
            return true
          }
        }
      }
      var pks: [Int64] = []
      for dataset in datasets {
        pks.append(try await world.record(dataset).pk)
        while world.services.hub.watchers(of: pks[pks.count - 1]) == 0 { try await Task.sleep(for: .milliseconds(2)) }
      }
      // A status that is read after the change would be the only one.
      while seen.begun.withLock({ $0.count }) < count { try await Task.sleep(for: .milliseconds(2)) }
      let last = UInt64(try await world.touch(pks, told: told))
      let touched = (0..<UInt64(count)).map { last - $0 }
      while !seen.all.withLock({ $0.isSuperset(of: touched) }) { try await Task.sleep(for: .milliseconds(2)) }
      for dataset in datasets {
        _ = try await client.cancelDataset(CancelDatasetRequest(dataset: .key(dataset)))
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(all.count == count)
    for events in all {
      checkOrder(events)
      #expect(events.compactMap { $0.message?.status } == [.requested, .requested, .cancelled])
    }
  }

  @Test(.timeLimit(.minutes(1))) func aWatcherThatLeavesIsForgotten() async throws {
    let (world, client, dataset) = try await made()
    let streams = (0..<5).map { _ in client.watchStatus(WatchStatusRequest(dataset: .key(dataset))) }
    for stream in streams { for try await _ in stream { break } }
    let pk = try await world.record(dataset).pk
    while world.services.hub.watchers(of: pk) > 0 { try await Task.sleep(for: .milliseconds(2)) }
    await client.connection.close()
  }
}
