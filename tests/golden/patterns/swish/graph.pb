
2
xPlaceholder*
dtype0*
shape
:

SigmoidSigmoidx*
T0

yMulxSigmoid*
T0"ª