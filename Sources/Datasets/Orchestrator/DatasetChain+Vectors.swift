internal import CoreMachine
internal import JobTypes

/// What follows each job of vectors.
extension DatasetChain {
  func next(after job: FinishedJob, _ operation: OperationView, _ chain: VectorChain) throws -> ChainStep {
    switch job.type {
    case JobType.probe:
      let probe = try result(ProbeResult.self, of: job)
      try require(probe, route: "vector")
      return .job(
        NextJob(
          type: JobType.ingestVector, parameters: try JSON.text(chain.ingest(after: probe)), inputBytes: probe.pin.size,
          plan: ChainPlan(json: try JSON.text(["steps": VectorChain.steps]), stepWeights: VectorChain.weights)))
    case JobType.ingestVector:
      let ingest = try result(IngestVectorResult.self, of: job)
      return .job(NextJob(type: JobType.stacCatalogVectors, parameters: try JSON.text(chain.catalog(after: ingest))))
    case JobType.stacCatalogVectors:
      let ingest = try earlier(IngestVectorResult.self, JobType.ingestVector, operation)
      let token = previewToken(operation.id).hexDigits
      return try verify(
        operation, chain.verify(after: ingest, previewToken: token), token,
        chain.publication(ingest, try result(StacCatalogResult.self, of: job)))
    case JobType.verify:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let ingest = try earlier(IngestVectorResult.self, JobType.ingestVector, operation)
      let stac = try earlier(StacCatalogResult.self, JobType.stacCatalogVectors, operation)
      return try publish(operation, chain.publication(ingest, stac), chain.result(probe, ingest))
    default: throw unknown(job)
    }
  }
}
