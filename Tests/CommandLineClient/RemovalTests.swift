import CommandLineClient
import FramedRPC
import ProtobufFacade
import TerraneMessages
import Testing

/// `delete --purge`: two calls, of which the second may be refused.
@Suite("Deleting for good")
struct RemovalTests {
  private let mosaic = DatasetName(datasetID: "demo", resourceID: "all", versionID: "v1")

  /// What was called, and what came of it.
  private func remove(
    dependents: [DatasetName] = [], state: DatasetState = .published, purge: (any Error)? = nil
  ) async -> (calls: [String], answer: DeleteDatasetResponse?, failure: Failure?) {
    var calls: [String] = []
    let before = Dataset(datasetKey: key, name: name, status: state == .deleted ? .deleted : .ready, state: state)
    let removal = Removal(
      name: "demo/roads/v1",
      preview: {
        calls.append("preview")
        return DeleteDatasetResponse(dataset: before, dependents: dependents)
      },
      delete: {
        calls.append("delete")
        return DeleteDatasetResponse(dataset: Dataset(datasetKey: key, status: .deleted, state: .deleted))
      },
      purge: { key in
        calls.append("purge")
        if let purge { throw purge }
        return Dataset(datasetKey: key, status: .deleted, state: .purged)
      })
    do {
      let answer = try await removal.run()
      return (calls, answer, nil)
    } catch { return (calls, nil, Failure(error)) }
  }

  private func refused() -> RPCError {
    let problem = Problem(
      reason: "DATASET_HAS_DEPENDENTS", message: "cannot purge demo/roads/v1, which mosaics are made of: demo/all/v1",
      remedy: "Purge those first.")
    let detail = ErrorDetail(typeURL: "type.terrane/terrane.v1.Problem", value: problem.protobufBytes())
    return RPCError(.failedPrecondition, "refused", details: [detail])
  }

  @Test("Withdrawn, then purged")
  func both() async {
    let done = await remove()
    #expect(done.calls == ["preview", "delete", "purge"])
    #expect(done.answer?.dataset?.state == .purged && done.answer?.dataset?.datasetKey == key)
  }

  @Test("A mosaic is made of it: nothing is withdrawn, whether by force or not")
  func members() async throws {
    let done = await remove(dependents: [mosaic, mosaic])
    #expect(done.calls == ["preview"])
    let failure = try #require(done.failure)
    #expect(failure.status == .badRequest && failure.problem.reason == "DATASET_HAS_DEPENDENTS")
    #expect(failure.problem.message.hasSuffix("made of: demo/all/v1 and 1 more; nothing was changed"))
    #expect(failure.problem.details == ["count": "2", "dataset 1": "demo/all/v1", "dataset 2": "demo/all/v1"])
  }

  @Test("A purge that is refused after all says that the dataset is deleted now")
  func halfway() async throws {
    let done = await remove(purge: refused())
    #expect(done.calls == ["preview", "delete", "purge"])
    let failure = try #require(done.failure)
    #expect(failure.status == .badRequest && failure.problem.reason == "DATASET_HAS_DEPENDENTS")
    #expect(failure.problem.message.hasPrefix("demo/roads/v1 is deleted now, and was not purged: cannot purge"))
    #expect(failure.problem.remedy.hasPrefix("Purge those first.\n`terrane undelete demo/roads/v1` brings it back"))
    let lost = await remove(purge: RPCError(.unavailable, "gone"))
    #expect(lost.failure?.problem.message.contains("may not have been purged") == true)
  }

  @Test("Of one that is deleted already only the purge is asked for, and its refusal is told as it is")
  func deleted() async {
    #expect(await remove(dependents: [mosaic], state: .deleted).calls == ["preview", "purge"])
    let done = await remove(state: .deleted, purge: refused())
    #expect(done.failure?.problem.message.hasPrefix("cannot purge") == true)
  }

  @Test("The dry run says what force does, and what it does not")
  func dryRun() {
    let answer = DeleteDatasetResponse(
      artifacts: [Artifact(kind: "table", identifier: "data.d1\u{1B}[2J", bytes: 2_048)], dependents: [mosaic])
    #expect(
      DryRunReport(name: "demo/roads/v1", purge: true).text(answer) == """
        Nothing was changed. A purge of demo/roads/v1 would remove 1 thing:
          table  data.d1\u{FFFD}[2J  2.0 KiB
        Made of it, and to be purged before it is; --force does not change that:
          demo/all/v1

        """)
    #expect(
      DryRunReport(name: "demo/roads/v1", purge: false).text(answer).contains(
        "to be deleted before it is (or --force), to be purged before it is purged:\n"))
  }
}
