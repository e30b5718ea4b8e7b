from qcrs.client.exchange import Exchange as Exchange
from qcrs.provider import Estimator as Estimator
from qcrs.provider import QCRSProvider as QCRSProvider
from qcrs.provider import Sampler as Sampler

__version__: str
__all__ = ["Estimator", "Exchange", "QCRSProvider", "Sampler"]
